<?php
// The billing service on PHP's SoapServer, and beside it what tests ask of it: see billing_service.py.
// Environment: BILLING_WSDL and BILLING_STATE, a JSON file that the worker processes share.

const FRESH = ['invoices' => [], 'received' => [], 'rules' => [], 'headers' => []];

function with_state(callable $work) {
    $file = fopen(getenv('BILLING_STATE'), 'c+');
    flock($file, LOCK_EX);
    $state = json_decode(stream_get_contents($file), true) ?? FRESH;
    try {
        return $work($state);
    } finally {
        ftruncate($file, 0);
        rewind($file);
        fwrite($file, json_encode($state));
        fclose($file);
    }
}

function fault(string $code, string $text, string $side = 'Client'): SoapFault {
    return new SoapFault($side, $text, null, ['code' => $code, 'text' => $text], 'BillingFault');
}

function answer_with(int $status, string $type, string $body, array $headers = []): never {
    http_response_code($status);
    header("Content-Type: $type");
    foreach ($headers as $name => $value) {
        header("$name: $value");
    }
    echo $body;
    exit;
}

function shown(array $invoice): array {
    return array_intersect_key($invoice, array_flip(['id', 'orderId', 'amount', 'status']));
}

class Work {
    public function __construct(private array &$state) {}

    public function CreateInvoice($order): array {
        if ((float) $order->amount < 0) {
            return ['rc' => 8, 'text' => "amount $order->amount is negative"];
        }
        $same = $this->of($order->orderId);
        if ($same && !in_array('accept_duplicates', array_column($this->state['rules'], 'do'))) {
            throw fault('ERR-017', "order $order->orderId has invoice {$same[0]['id']}");
        }
        $id = "INV-$order->orderId" . ($same ? '-' . (count($same) + 1) : '');
        $this->state['invoices'][] = [
            'id' => $id, 'orderId' => (string) $order->orderId, 'amount' => (string) $order->amount,
            'status' => 'OPEN', 'customer' => $order->customer, 'note' => $order->note ?? null,
        ];
        return ['invoiceId' => $id, 'rc' => 0, 'text' => 'created'];
    }

    public function GetInvoice($wanted): array {
        foreach ($this->state['invoices'] as $invoice) {
            if ($invoice['id'] === $wanted->invoiceId) {
                return ['invoice' => shown($invoice)];
            }
        }
        throw fault('ERR-404', "no invoice $wanted->invoiceId");
    }

    public function FindInvoice($wanted): array {
        return ['invoices' => array_map('shown', $this->of($wanted->orderId))];
    }

    public function CancelInvoice($wanted): array {
        foreach ($this->state['invoices'] as &$invoice) {
            if ($invoice['id'] === $wanted->invoiceId && $invoice['status'] !== 'CANCELLED') {
                $invoice['status'] = 'CANCELLED';
                return ['done' => true];
            }
        }
        return ['done' => false];
    }

    private function of($orderId): array {
        return array_values(array_filter($this->state['invoices'], fn ($one) => $one['orderId'] === (string) $orderId));
    }
}

class Service {
    public function __call(string $operation, array $arguments): array {
        $wanted = $arguments[0];
        $rule = with_state(function (&$state) use ($operation, $wanted) {
            $state['received'][$operation] = ($state['received'][$operation] ?? 0) + 1;
            $state['headers'][] = array_change_key_case(getallheaders());
            return self::take_rule($state['rules'], $operation, $wanted);
        });
        $work = fn () => with_state(fn (&$state) => (new Work($state))->$operation($wanted));
        if ($rule === null) {
            return $work();
        }
        usleep((int) ($rule['seconds'] * 1_000_000));
        if ($rule['do'] === 'delay') {
            return $work();
        }
        if ($rule['after']) {
            $work();
        }
        return self::misbehave($rule);
    }

    private static function take_rule(array &$rules, string $operation, object $wanted): ?array {
        foreach ($rules as &$rule) {
            $mine = $rule['operation'] === $operation && $rule['do'] !== 'accept_duplicates' && $rule['times'] !== 0;
            if ($mine && ($rule['order_id'] === null || $rule['order_id'] === (string) ($wanted->orderId ?? ''))) {
                $taken = $rule;
                if ($rule['times'] !== null) {
                    $rule['times'] -= 1;
                }
                return $taken;
            }
        }
        return null;
    }

    private static function misbehave(array $rule): never {
        match ($rule['do']) {
            'server_fault' => throw fault('ERR-500', 'the billing database is away', 'Server'),
            'client_fault' => throw fault($rule['code'], $rule['text']),
            'http' => answer_with($rule['status'], 'text/plain', $rule['text'], $rule['headers']),
            'html' => answer_with($rule['status'], 'text/html', '<html><body><h1>Maintenance</h1></body></html>'),
            'garbage' => answer_with(200, 'text/xml', '<oops'),
            'empty' => answer_with(200, 'text/xml', ''),
        };
    }
}

$asked = "{$_SERVER['REQUEST_METHOD']} " . strtok($_SERVER['REQUEST_URI'], '?');
$body = fn () => json_decode(file_get_contents('php://input'), true);
$control = [
    'GET /count' => fn (&$state) => ['created' => count($state['invoices']), 'received' => (object) $state['received']],
    'GET /invoices' => fn (&$state) => $state['invoices'],
    'GET /headers' => fn (&$state) => $state['headers'],
    'POST /rules' => function (&$state) use ($body) { $state['rules'][] = $body(); return []; },
    'POST /reset' => function (&$state) { $state = FRESH; return []; },
];
if (isset($control[$asked])) {
    answer_with(200, 'application/json', json_encode(with_state($control[$asked])));
}
if (strtok($_SERVER['REQUEST_URI'], '?') !== '/billing') {
    answer_with(404, 'text/plain', 'not found');
}
if ($_SERVER['REQUEST_METHOD'] === 'GET') {
    answer_with(200, 'text/xml; charset=utf-8', file_get_contents(getenv('BILLING_WSDL')));
}
$server = new SoapServer(getenv('BILLING_WSDL'), ['cache_wsdl' => WSDL_CACHE_NONE]);
$server->setObject(new Service());
$server->handle();
