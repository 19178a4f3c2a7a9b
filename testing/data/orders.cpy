      * The nightly order file of the demo. Fixed records of 64 bytes, EBCDIC (CP037).
       01  ORDER-RECORD.
           05  REC-TYPE                PIC X(1).
           05  DETAIL-DATA.
               10  ORDER-ID            PIC 9(9).
               10  CUSTOMER            PIC X(30).
               10  AMOUNT              PIC S9(9)V99 COMP-3.
               10  PLANT               PIC X(4).
               10  STATUS              PIC X(1).
               10  FILLER              PIC X(13).
           05  TRAILER-DATA REDEFINES DETAIL-DATA.
               10  REC-COUNT           PIC 9(9).
               10  TOTAL               PIC S9(13)V99 COMP-3.
               10  FILLER              PIC X(46).
