<?php
// PHP's PDO as a program of ../program.ts. It has no cancel.
function say(array $answer): void
{
    echo json_encode($answer === [] ? new stdClass() : $answer, JSON_INVALID_UTF8_SUBSTITUTE), "\n";
}

function rows(PDOStatement $done): array
{
    $text = fn($value) => $value === null ? null : (is_bool($value) ? ($value ? 't' : 'f') : (string) $value);
    $found = $done->columnCount() > 0 ? $done->fetchAll(PDO::FETCH_NUM) : [];
    return ['rows' => array_map(fn($row) => array_map($text, $row), $found)];
}

final class Verbs
{
    private ?PDO $pdo = null;

    public function connect($port, $user, $password, $database): array
    {
        $this->close();
        $dsn = "pgsql:host=127.0.0.1;port=$port;dbname=$database";
        $this->pdo = new PDO($dsn, $user, $password, [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION]);
        return [];
    }

    public function query($sql): array
    {
        return rows($this->pdo->query($sql));
    }

    public function param($sql, $value): array
    {
        return $this->prepared($sql, $value);
    }

    public function prepared($sql, ...$values): array
    {
        $statement = $this->pdo->prepare($sql);
        $found = [];
        foreach ($values as $value) {
            $statement->bindValue(1, (int) $value, PDO::PARAM_INT);
            $statement->execute();
            array_push($found, ...rows($statement)['rows']);
        }
        return ['rows' => $found];
    }

    public function begin(): array
    {
        return done($this->pdo->beginTransaction());
    }

    public function commit(): array
    {
        return done($this->pdo->commit());
    }

    public function rollback(): array
    {
        return done($this->pdo->rollBack());
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

    public function close(): array
    {
        $this->pdo = null;
        return [];
    }
}

function done(bool $ok): array
{
    return $ok ? [] : ['fault' => 'the driver returned false'];
}

$verbs = new Verbs();
say(['version' => PHP_VERSION]);
while (($line = fgets(STDIN)) !== false) {
    $args = explode("\t", rtrim($line, "\n"));
    $name = array_shift($args);
    try {
        say($verbs->$name(...$args));
    } catch (PDOException $error) {
        [$sqlstate, , $message] = $error->errorInfo ?? [null, null, null];
        say($sqlstate === null ? ['fault' => $error->getMessage()] : ['error' => ['sqlstate' => $sqlstate, 'message' => $message]]);
    } catch (Throwable $error) {
        say(['fault' => get_class($error) . ': ' . $error->getMessage()]);
    }
}
