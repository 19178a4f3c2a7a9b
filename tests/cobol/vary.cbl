       IDENTIFICATION DIVISION.
       PROGRAM-ID. VARY.
       ENVIRONMENT DIVISION.
       INPUT-OUTPUT SECTION.
       FILE-CONTROL.
           SELECT F ASSIGN TO "VARY_FILE"
               ORGANIZATION IS SEQUENTIAL.
       DATA DIVISION.
       FILE SECTION.
       FD  F RECORD IS VARYING IN SIZE FROM 8 TO 71 CHARACTERS.
       COPY "vary.cpy".
       WORKING-STORAGE SECTION.
       01  MODE-ARG     PIC X(8).
       01  I            PIC 9(5) COMP-5.
       01  J            PIC 9(5) COMP-5.
       01  AT-END       PIC X VALUE 'N'.
       01  O-INT        PIC -(5)9.
       PROCEDURE DIVISION.
       MAIN-PARA.
           ACCEPT MODE-ARG FROM COMMAND-LINE.
           IF MODE-ARG = "write"
               OPEN OUTPUT F
               PERFORM WRITE-ONE VARYING I FROM 0 BY 1 UNTIL I > 9
               CLOSE F
           ELSE
               OPEN INPUT F
               PERFORM READ-ONE UNTIL AT-END = 'Y'
               CLOSE F
           END-IF.
           STOP RUN.
       WRITE-ONE.
           MOVE I TO ORDER-ID.
           MOVE I TO N-LINES.
           PERFORM VARYING J FROM 1 BY 1 UNTIL J > I
               COMPUTE L-NO(J) = I - 2 * J
               MOVE "LINE" TO L-TXT(J)
           END-PERFORM.
           WRITE VARY-REC.
       READ-ONE.
           READ F AT END MOVE 'Y' TO AT-END
               NOT AT END PERFORM SHOW-ONE
           END-READ.
       SHOW-ONE.
           DISPLAY ORDER-ID "|" WITH NO ADVANCING.
           PERFORM VARYING J FROM 1 BY 1 UNTIL J > N-LINES
               MOVE L-NO(J) TO O-INT
               DISPLAY FUNCTION TRIM(O-INT) "|" L-TXT(J) "|"
                   WITH NO ADVANCING
           END-PERFORM.
           DISPLAY " ".
