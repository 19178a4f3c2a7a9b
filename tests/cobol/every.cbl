       IDENTIFICATION DIVISION.
       PROGRAM-ID. EVERY.
      * "write" makes the file of EVERY_FILE, "writee" the same with
      * its shown part in code page 037; "read" and "reade" print it.
       ENVIRONMENT DIVISION.
       INPUT-OUTPUT SECTION.
       FILE-CONTROL.
           SELECT F ASSIGN TO "EVERY_FILE"
               ORGANIZATION IS SEQUENTIAL.
       DATA DIVISION.
       FILE SECTION.
       FD  F.
       COPY "every.cpy".
       WORKING-STORAGE SECTION.
       01  MODE-ARG     PIC X(8).
       01  I            PIC S9(5) COMP-5.
       01  J            PIC S9(5) COMP-5.
       01  AT-END       PIC X VALUE 'N'.
       01  ASCII-SET    PIC X(59) VALUE
           "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ +-.,{}abcdefghijklmno".
       01  EBCDIC-SET   PIC X(59) VALUE
           X"F0F1F2F3F4F5F6F7F8F9C1C2C3C4C5C6C7C8C9D1D2D3D4D5D6D7D8D9"
         & X"E2E3E4E5E6E7E8E9404E604B6BC0D0818283848586878889919293"
         & X"94959640".
       01  OUT.
           05  O-LONG   PIC -(17)9.99.
           05  O-INT    PIC -(18)9.
           05  O-SMALL  PIC -(5)9.9999.
       PROCEDURE DIVISION.
       MAIN-PARA.
           ACCEPT MODE-ARG FROM COMMAND-LINE.
           IF MODE-ARG(1:5) = "write"
               OPEN OUTPUT F
               PERFORM WRITE-ONE VARYING I FROM -3 BY 1 UNTIL I > 3
               CLOSE F
           ELSE
               OPEN INPUT F
               PERFORM READ-ONE UNTIL AT-END = 'Y'
               CLOSE F
           END-IF.
           STOP RUN.
       WRITE-ONE.
           MOVE LOW-VALUES TO EVERY-REC.
           MOVE "Made abc" TO TXT.
           MOVE "END" TO RIGHT-TXT.
           COMPUTE ZON = 100 + I.
           COMPUTE ZONED-S = 1234.56 * I.
           COMPUTE LEAD-S = 111 * I.
           COMPUTE SEP-T = 12.3 * I.
           COMPUTE SEP-L = -99 * I.
           COMPUTE EDITED = 10.25 * I.
           MOVE 0.0033 TO SMALL-P.
           COMPUTE BIG-P = 7000 * (I + 4).
           MOVE "O" TO KIND.
           IF I > 0 MOVE "T" TO KIND END-IF.
           COMPUTE PACKED-ODD = -98765.43 * I.
           COMPUTE PACKED-EVEN = 12 + I.
           COMPUTE PACKED-LONG = 123456789012.34 * I.
           COMPUTE BIN-2 = 1000 * I.
           COMPUTE BIN-4 = -100000001 * I.
           COMPUTE BIN-8 = 12345678901.25 * I.
           COMPUTE NAT-2 = 9000 * I.
           COMPUTE NAT-4 = 100000000 + I.
           COMPUTE NAT-8 = 100000000000000000 * I.
           COMPUTE FLT = 0.5 * I.
           COMPUTE DBL = 1.25 * I.
           COMPUTE PLACE-NO = 55 * I.
           PERFORM VARYING J FROM 1 BY 1 UNTIL J > 3
               COMPUTE T-NO(J) = I * J
               COMPUTE T-BIN(J) = 10 + I + J
           END-PERFORM.
           IF MODE-ARG(6:1) = "e"
               INSPECT SHOWN CONVERTING ASCII-SET TO EBCDIC-SET
           END-IF.
           WRITE EVERY-REC.
       READ-ONE.
           READ F AT END MOVE 'Y' TO AT-END
               NOT AT END PERFORM SHOW-ONE
           END-READ.
       SHOW-ONE.
           IF MODE-ARG(5:1) = "e"
               INSPECT SHOWN CONVERTING EBCDIC-SET TO ASCII-SET
           END-IF.
           DISPLAY TXT "|" RIGHT-TXT "|" WITH NO ADVANCING.
           MOVE ZON TO O-INT PERFORM SHOW-INT.
           MOVE ZONED-S TO O-LONG PERFORM SHOW-LONG.
           MOVE LEAD-S TO O-INT PERFORM SHOW-INT.
           MOVE SEP-T TO O-LONG PERFORM SHOW-LONG.
           MOVE SEP-L TO O-INT PERFORM SHOW-INT.
           DISPLAY EDITED "|" WITH NO ADVANCING.
           MOVE SMALL-P TO O-SMALL
           DISPLAY FUNCTION TRIM(O-SMALL) "|" WITH NO ADVANCING.
           MOVE BIG-P TO O-INT PERFORM SHOW-INT.
           DISPLAY KIND "|" WITH NO ADVANCING.
           MOVE PACKED-ODD TO O-LONG PERFORM SHOW-LONG.
           MOVE PACKED-EVEN TO O-INT PERFORM SHOW-INT.
           MOVE PACKED-LONG TO O-LONG PERFORM SHOW-LONG.
           MOVE BIN-2 TO O-INT PERFORM SHOW-INT.
           MOVE BIN-4 TO O-INT PERFORM SHOW-INT.
           MOVE BIN-8 TO O-LONG PERFORM SHOW-LONG.
           MOVE NAT-2 TO O-INT PERFORM SHOW-INT.
           MOVE NAT-4 TO O-INT PERFORM SHOW-INT.
           MOVE NAT-8 TO O-INT PERFORM SHOW-INT.
           COMPUTE O-LONG = FLT PERFORM SHOW-LONG.
           COMPUTE O-LONG = DBL PERFORM SHOW-LONG.
           MOVE PLACE-NO TO O-INT PERFORM SHOW-INT.
           PERFORM VARYING J FROM 1 BY 1 UNTIL J > 3
               MOVE T-NO(J) TO O-INT PERFORM SHOW-INT
               MOVE T-BIN(J) TO O-INT PERFORM SHOW-INT
           END-PERFORM.
           DISPLAY " ".
       SHOW-INT.
           DISPLAY FUNCTION TRIM(O-INT) "|" WITH NO ADVANCING.
       SHOW-LONG.
           DISPLAY FUNCTION TRIM(O-LONG) "|" WITH NO ADVANCING.
