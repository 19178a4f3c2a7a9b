//gsoap c service name: calc
//gsoap c service port: http://127.0.0.1/calc
//gsoap c service namespace: urn:calc
//gsoap c service style: STYLE
//gsoap c service encoding: ENCODING
//gsoap c schema form: FORM

typedef char *xsd__string;
typedef double xsd__double;
struct xsd__base64Binary { unsigned char *__ptr; int __size; char *id, *type, *options; };

struct c__Item { int id 1; xsd__string name 0; double price 1; enum c__Colour { RED, BLUE } colour 1; };
struct ItemArray { struct c__Item *__ptrITEM; int __size; };
struct c__Trouble { xsd__string code 1; int line 1; };

struct SOAP_ENV__Header { xsd__string c__Tenant; };
struct SOAP_ENV__Detail { struct c__Trouble *c__Trouble; int __type; void *fault; char *__any; };

//gsoap c service method-documentation: add Add two numbers.
int c__add(double a, double b, double *result);
//gsoap c service method-fault: div c__Trouble
int c__div(double a, double b, double *result);
//gsoap c service method-header-part: echo c__Tenant
int c__echo(xsd__string text, xsd__string *text_);
int c__total(struct ItemArray *items, double *result);
int c__list(int n, struct ItemArray *items);
int c__mirror(struct xsd__base64Binary photo, struct xsd__base64Binary *photo_);
int c__note(xsd__string text, void);
