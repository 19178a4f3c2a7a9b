// The billing service on node-soap, and beside it what tests ask of it: see billing_service.py.
// Arguments: the WSDL file and the port.
'use strict';
const fs = require('fs');
const http = require('http');
const soap = require(process.env.NODE_SOAP);

const NAMESPACE = 'urn:drawbar:billing';
const [wsdlFile, port] = process.argv.slice(2);

const fresh = () => ({ invoices: [], cancels: {}, received: {}, rules: [], headers: [] });
let state = fresh();

const fault = (code, text, side = 'Client') => ({
  Fault: {
    faultcode: `soap:${side}`,
    faultstring: text,
    detail: { BillingFault: { attributes: { xmlns: NAMESPACE }, code, text } },
  },
});

const work = {
  CreateInvoice({ orderId, customer, amount, note }) {
    if (Number(amount) < 0) return { rc: 8, text: `amount ${amount} is negative` };
    const same = state.invoices.filter((invoice) => invoice.orderId === orderId);
    if (same.length && !state.rules.some((rule) => rule.do === 'accept_duplicates')) {
      throw fault('ERR-017', `order ${orderId} has invoice ${same[0].id}`);
    }
    const id = same.length ? `INV-${orderId}-${same.length + 1}` : `INV-${orderId}`;
    state.invoices.push({ id, orderId, amount, status: 'OPEN', customer, note });
    return { invoiceId: id, rc: 0, text: 'created' };
  },
  GetInvoice({ invoiceId }) {
    const invoice = state.invoices.find(({ id }) => id === invoiceId);
    if (!invoice) throw fault('ERR-404', `no invoice ${invoiceId}`);
    return { invoice: shown(invoice) };
  },
  FindInvoice({ orderId }) {
    return { invoices: state.invoices.filter((invoice) => invoice.orderId === orderId).map(shown) };
  },
  CancelInvoice({ invoiceId }) {
    state.cancels[invoiceId] = (state.cancels[invoiceId] || 0) + 1;
    const invoice = state.invoices.find(({ id, status }) => id === invoiceId && status !== 'CANCELLED');
    if (invoice) invoice.status = 'CANCELLED';
    return { done: Boolean(invoice) };
  },
};

const shown = ({ id, orderId, amount, status }) => ({ id, orderId, amount, status });

function takeRule(operation, args) {
  const rule = state.rules.find((each) => each.do !== 'accept_duplicates' && each.times !== 0
    && each.operation === operation && (each.order_id === null || each.order_id === args.orderId));
  if (rule && rule.times !== null) rule.times -= 1;
  return rule;
}

const misbehaviour = {
  server_fault: () => { throw fault('ERR-500', 'the billing database is away', 'Server'); },
  client_fault: (rule) => { throw fault(rule.code, rule.text); },
  drop: (rule, res) => res.socket.destroy(),
  truncate: (rule, res) => {
    res.writeHead(200, { 'Content-Type': 'text/xml; charset=utf-8', 'Content-Length': 5000 });
    res.write('<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Bo', () => res.socket.destroy());
  },
  http: (rule, res) => res.writeHead(rule.status, { 'Content-Type': 'text/plain', ...rule.headers }).end(rule.text),
  html: (rule, res) => res.writeHead(rule.status, { 'Content-Type': 'text/html' })
    .end('<html><body><h1>Maintenance</h1></body></html>'),
  garbage: (rule, res) => res.writeHead(200, { 'Content-Type': 'text/xml' }).end('<oops'),
  empty: (rule, res) => res.writeHead(200, { 'Content-Type': 'text/xml' }).end(),
};

function serve(operation) {
  return (args, answer, headers, req, res) => {
    state.received[operation] = (state.received[operation] || 0) + 1;
    state.headers.push(req.headers);
    const rule = takeRule(operation, args);
    if (!rule) return work[operation](args);
    const act = () => {
      if (rule.do === 'delay') return answer(null, work[operation](args));
      if (rule.after) work[operation](args);
      return misbehaviour[rule.do](rule, res);
    };
    setTimeout(() => {
      try { act(); } catch (error) { answer(error); }
    }, rule.seconds * 1000);
    return undefined;
  };
}

const control = {
  'GET /count': () => ({ created: state.invoices.length, received: state.received }),
  'GET /invoices': () => state.invoices,
  'GET /cancels': () => state.cancels,
  'GET /headers': () => state.headers,
  'POST /rules': (rule) => { state.rules.push(rule); return {}; },
  'POST /reset': () => { state = fresh(); return {}; },
};

const server = http.createServer((req, res) => {
  const action = control[`${req.method} ${req.url}`];
  if (!action) { res.writeHead(404).end(); return; }
  const parts = [];
  req.on('data', (part) => parts.push(part));
  req.on('end', () => {
    const body = parts.length ? JSON.parse(Buffer.concat(parts)) : null;
    res.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(action(body)));
  });
});

const operations = Object.fromEntries(Object.keys(work).map((name) => [name, serve(name)]));
const asText = (text) => text;
server.listen(Number(port), '127.0.0.1', () => {
  soap.listen(server, {
    path: '/billing',
    services: { BillingService: { BillingPort: operations } },
    xml: fs.readFileSync(wsdlFile, 'utf8'),
    uri: wsdlFile,
    // As text, money and long numbers keep every digit.
    customDeserializer: { long: asText, decimal: asText },
  });
});
