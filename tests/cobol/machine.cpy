      * Packed without a sign, binary of any size, and numbers that
      * have no PICTURE.
       01  MACHINE-REC.
           05  PACK-ODD         PIC 9(5) COMP-6.
           05  PACK-EVEN        PIC 9(4) COMP-6.
           05  PACK-POINT       PIC 9(5)V99 COMP-6.
           05  X-DIGITS         PIC 9(5) COMP-X.
           05  X-POINT          PIC 9(3)V99 COMP-X.
           05  X-BYTES          PIC X(3) COMP-X.
           05  X-ONE            PIC 9(2) COMP-X.
           05  CHAR-S           BINARY-CHAR.
           05  CHAR-U           BINARY-CHAR UNSIGNED.
           05  SHORT-S          BINARY-SHORT SIGNED.
           05  SHORT-U          BINARY-SHORT UNSIGNED.
           05  LONG-S           BINARY-LONG.
           05  LONG-U           BINARY-LONG UNSIGNED.
           05  DOUBLE-S         BINARY-DOUBLE.
           05  TAG-X            PIC X.
           05  PLACE-I          INDEX SYNC.
           05  PLACES USAGE INDEX.
               10  PLACE-A.
               10  PLACE-B.
           05  WHERE-P          POINTER.
