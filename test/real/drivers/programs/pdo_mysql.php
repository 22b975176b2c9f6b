<?php
// PHP's PDO for MySQL as a program of ../program.ts. It fills in parameters itself unless it is told to prepare on the server. It can not do two
// things at a time: KILL QUERY comes from another process, with a connection of its own.
require __DIR__ . '/loop.php';

final class Verbs extends PdoVerbs
{
    private array $to = [];

    public function connect($port, $user, $password, $database): array
    {
        $this->close();
        $this->to = ["mysql:host=127.0.0.1;port=$port;dbname=$database;charset=utf8mb4", $user, $password];
        $options = [PDO::MYSQL_ATTR_LOCAL_INFILE => true, PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION];
        $this->pdo = new PDO(...$this->to, options: $options);
        return [];
    }

    public function prepared($sql, ...$values): array
    {
        return $this->executed($this->onServer($sql), ...$values);
    }

    public function blob($insert, $select, $data): array
    {
        $statement = $this->onServer($insert);
        $statement->bindValue(1, hex2bin($data), PDO::PARAM_LOB);
        $statement->execute();
        return text([[bin2hex($this->pdo->query($select)->fetchColumn())]]);
    }

    public function multi($sql): array
    {
        $results = $this->pdo->query($sql);
        $found = [];
        do {
            array_push($found, ...$this->rows($results)['rows']);
        } while ($results->nextRowset());
        return ['rows' => $found];
    }

    /** There may be none any more: DDL ends one. */
    public function rollback(): array
    {
        return $this->pdo->inTransaction() ? parent::rollback() : [];
    }

    public function autocommit($on): array
    {
        return done($this->pdo->setAttribute(PDO::ATTR_AUTOCOMMIT, (int) $on));
    }

    public function cancel($sql): array
    {
        $id = $this->pdo->query('SELECT CONNECTION_ID()')->fetchColumn();
        $kill = 'fgets(STDIN); $to = json_decode($argv[1]); (new PDO(...$to))->exec("KILL QUERY $argv[2]");';
        $other = proc_open(['php', '-r', $kill, '--', json_encode($this->to), (string) $id], [STDIN, ['pipe', 'w'], STDERR], $pipes);
        try {
            return $this->query($sql);
        } finally {
            proc_close($other);
        }
    }

    private function onServer($sql): PDOStatement
    {
        $this->pdo->setAttribute(PDO::ATTR_EMULATE_PREPARES, false);
        try {
            return $this->pdo->prepare($sql);
        } finally {
            $this->pdo->setAttribute(PDO::ATTR_EMULATE_PREPARES, true);
        }
    }
}

serve(PHP_VERSION, new Verbs(), pdo_refused(...));
