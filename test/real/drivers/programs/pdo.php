<?php
// PHP's PDO as a program of ../program.ts. It has no cancel.
require __DIR__ . '/loop.php';

final class Verbs extends PdoVerbs
{
    public function connect($port, $user, $password, $database): array
    {
        $this->close();
        $dsn = "pgsql:host=127.0.0.1;port=$port;dbname=$database";
        $this->pdo = new PDO($dsn, $user, $password, [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION]);
        return [];
    }

    public function copyin($table, $column, ...$lines): array
    {
        return done($this->pdo->pgsqlCopyFromArray($table, $lines, "\t", '\\\\N', $column));
    }

    public function copyout($table): array
    {
        $lines = $this->pdo->pgsqlCopyToArray($table);
        return ['rows' => array_map(fn($line) => explode("\t", rtrim($line, "\n")), $lines)];
    }

    public function listen($channel): array
    {
        return done($this->pdo->exec("LISTEN $channel") !== false);
    }

    public function notified(): array
    {
        do {
            $heard = $this->pdo->pgsqlGetNotify(PDO::FETCH_ASSOC, 10000);
        } while (!$heard);
        return ['rows' => [[$heard['message'], $heard['payload']]]];
    }
}

serve(PHP_VERSION, new Verbs(), pdo_refused(...));
