      * One field of every usage that a file has.
       01  EVERY-REC.
           05  SHOWN.
               10  TXT          PIC X(10).
               10  RIGHT-TXT    PIC X(6) JUSTIFIED RIGHT.
               10  ZON          PIC 9(5).
               10  ZONED-S      PIC S9(5)V99.
               10  LEAD-S       PIC S9(3) SIGN LEADING.
               10  SEP-T        PIC S9(3)V9 SIGN TRAILING SEPARATE.
               10  SEP-L        PIC S9(3) SIGN LEADING SEPARATE.
               10  EDITED       PIC -9(5).99.
               10  SMALL-P      PIC PP99.
               10  BIG-P        PIC 9(3)P(3).
               10  KIND         PIC X.
                   88  IS-OPEN  VALUE 'O'.
                   88  IS-SHUT  VALUE 'S' 'T'.
           05  PACKED-ODD       PIC S9(7)V99 COMP-3.
           05  PACKED-EVEN      PIC 9(4) COMP-3.
           05  PACKED-LONG      PIC S9(15)V99 COMP-3.
           05  BIN-2            PIC S9(4) COMP.
           05  FILLER           PIC X.
           05  BIN-4            PIC S9(9) COMP SYNC.
           05  BIN-8            PIC S9(16)V99 COMP.
           05  NAT-2            PIC S9(4) COMP-5.
           05  NAT-4            PIC 9(9) COMP-5.
           05  NAT-8            PIC S9(18) COMP-5.
           05  FLT              COMP-1.
           05  DBL              COMP-2.
           05  PLACE            PIC X(4).
           05  PLACE-NO REDEFINES PLACE PIC S9(7) COMP-3.
           05  TAB OCCURS 3 TIMES.
               10  T-NO         PIC S9(3) COMP-3.
               10  T-BIN        PIC 9(4) COMP.
