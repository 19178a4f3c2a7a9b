      * A record as long as its table.
       01  VARY-REC.
           05  ORDER-ID         PIC 9(6).
           05  N-LINES          PIC 9(2) COMP.
           05  LINES-T OCCURS 0 TO 9 TIMES DEPENDING ON N-LINES.
               10  L-NO         PIC S9(3) COMP-3.
               10  L-TXT        PIC X(5).
