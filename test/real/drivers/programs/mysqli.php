<?php
// PHP's mysqli as a program of ../program.ts.
require __DIR__ . '/loop.php';

final class Verbs
{
    private ?mysqli $conn = null;
    private array $to = [];

    public function connect($port, $user, $password, $database): array
    {
        $this->to = ['127.0.0.1', $user, $password, $database, (int) $port];
        $this->conn = new mysqli(...$this->to);
        $this->conn->set_charset('utf8mb4');
        return [];
    }

    public function query($sql): array
    {
        return $this->rows($this->conn->query($sql));
    }

    public function param($sql, $value): array
    {
        return $this->rows($this->conn->execute_query($sql, [(int) $value]));
    }

    public function prepared($sql, ...$values): array
    {
        $statement = $this->conn->prepare($sql);
        $found = [];
        $statement->bind_param('i', $bound);
        foreach ($values as $value) {
            $bound = (int) $value;
            $statement->execute();
            array_push($found, ...$this->rows($statement->get_result())['rows']);
        }
        $statement->close();
        return ['rows' => $found];
    }

    public function blob($insert, $select, $data): array
    {
        $statement = $this->conn->prepare($insert);
        $nothing = null;
        $statement->bind_param('b', $nothing);
        foreach (str_split(hex2bin($data), 100) as $part) {
            $statement->send_long_data(0, $part);
        }
        $statement->execute();
        return text([[bin2hex($this->conn->query($select)->fetch_column())]]);
    }

    public function multi($sql): array
    {
        $this->conn->multi_query($sql);
        $found = [];
        do {
            array_push($found, ...$this->rows($this->conn->store_result())['rows']);
        } while ($this->conn->more_results() && $this->conn->next_result());
        return ['rows' => $found];
    }

    public function begin(): array
    {
        return done($this->conn->begin_transaction());
    }

    public function commit(): array
    {
        return done($this->conn->commit());
    }

    public function rollback(): array
    {
        return done($this->conn->rollback());
    }

    public function autocommit($on): array
    {
        return done($this->conn->autocommit($on === '1'));
    }

    public function cancel($sql): array
    {
        $this->conn->query($sql, MYSQLI_ASYNC);
        fgets(STDIN);
        $other = new mysqli(...$this->to);
        $other->query("KILL QUERY {$this->conn->thread_id}");
        $other->close();
        return $this->rows($this->conn->reap_async_query());
    }

    public function close(): array
    {
        return done($this->conn->close());
    }

    private function rows(mysqli_result|bool $result): array
    {
        return text($result instanceof mysqli_result ? $result->fetch_all() : []);
    }
}

mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);
serve(PHP_VERSION, new Verbs(), fn($error) => $error instanceof mysqli_sql_exception
    ? ['sqlstate' => $error->getSqlState(), 'errno' => $error->getCode(), 'message' => $error->getMessage()]
    : null);
