/* The calculator of the tests, on gSOAP: one program for each style, from one header. */
#include "soapH.h"
#include "calc.nsmap"
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static FILE *notes;

int c__add(struct soap *soap, double a, double b, double *result) { *result = a + b; return SOAP_OK; }

int c__div(struct soap *soap, double a, double b, double *result)
{
    if (b == 0) {
        struct c__Trouble *trouble = (struct c__Trouble *)soap_malloc(soap, sizeof *trouble);
        soap_sender_fault(soap, "Division by zero", NULL);
        trouble->code = "E42";
        trouble->line = 7;
        if (soap->version == 2) {
            soap->fault->SOAP_ENV__Detail = soap_new_SOAP_ENV__Detail(soap, 1);
            soap->fault->SOAP_ENV__Detail->c__Trouble = trouble;
        } else {
            soap->fault->detail = soap_new_SOAP_ENV__Detail(soap, 1);
            soap->fault->detail->c__Trouble = trouble;
        }
        return SOAP_FAULT;
    }
    *result = a / b;
    return SOAP_OK;
}

int c__echo(struct soap *soap, char *text, char **text_)
{
    *text_ = text;
    return SOAP_OK; /* the header Tenant, when there is one, goes back as it came */
}

int c__total(struct soap *soap, struct ItemArray *items, double *result)
{
    int i;
    *result = 0;
    for (i = 0; items && i < items->__size; i++) *result += items->__ptrITEM[i].price;
    return SOAP_OK;
}

int c__list(struct soap *soap, int n, struct ItemArray *items)
{
    int i;
    items->__size = n;
    items->__ptrITEM = (struct c__Item *)soap_malloc(soap, (n + 1) * sizeof(struct c__Item));
    for (i = 0; i < n; i++) {
        items->__ptrITEM[i].id = i;
        items->__ptrITEM[i].name = i % 2 ? "a & <b> \xc3\xa9" : NULL;
        items->__ptrITEM[i].price = i * 0.5;
        items->__ptrITEM[i].colour = i % 2 ? RED : BLUE;
    }
    return SOAP_OK;
}

int c__mirror(struct soap *soap, struct xsd__base64Binary photo, struct xsd__base64Binary *photo_)
{
    photo_->__ptr = photo.__ptr;
    photo_->__size = photo.__size;
    photo_->id = NULL;
    photo_->type = (soap->omode & SOAP_ENC_MTOM) ? "image/png" : NULL;
    photo_->options = NULL;
    return SOAP_OK;
}

int c__note(struct soap *soap, char *text)
{
    fprintf(notes, "%s\n", text);
    fflush(notes);
    return soap_send_empty_response(soap, SOAP_OK);
}

int main(int argc, char **argv)
{
    int mode = SOAP_C_UTFSTRING | SOAP_IO_KEEPALIVE | (argc > 3 ? SOAP_ENC_MTOM : 0);
    struct soap *soap = soap_new2(mode, mode);
    signal(SIGCHLD, SIG_IGN);
    soap->bind_flags = SO_REUSEADDR;
    soap->max_keep_alive = 100;
    soap->recv_timeout = soap->send_timeout = 5;
    if (argc < 3 || !(notes = fopen(argv[2], "a")) || !soap_valid_socket(soap_bind(soap, "127.0.0.1", atoi(argv[1]), 100))) {
        soap_print_fault(soap, stderr);
        return 1;
    }
    for (;;) {
        if (!soap_valid_socket(soap_accept(soap))) continue;
        if (fork() == 0) { /* a line that a client keeps holds up no other */
            close(soap->master);
            soap_serve(soap);
            _exit(0);
        }
        soap_force_closesock(soap);
        soap_destroy(soap);
        soap_end(soap);
    }
}
