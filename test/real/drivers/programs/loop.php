<?php
// What the PHP programs share: the line protocol of ../program.ts, and the verbs that PDO performs alike for every database.

/** Answers one line a verb until the input ends. $refused: the server's error, null for anything else. */
function serve(string $version, object $verbs, callable $refused): void
{
    say(['version' => $version]);
    while (($line = fgets(STDIN)) !== false) {
        $args = explode("\t", rtrim($line, "\n"));
        $name = array_shift($args);
        try {
            say($verbs->$name(...$args));
        } catch (Throwable $error) {
            $known = $refused($error);
            say($known === null ? ['fault' => get_class($error) . ': ' . $error->getMessage()] : ['error' => $known]);
        }
    }
}

function say(array $answer): void
{
    echo json_encode($answer === [] ? new stdClass() : $answer, JSON_INVALID_UTF8_SUBSTITUTE), "\n";
}

/** Values as text. */
function text(array $rows): array
{
    $text = fn($value) => $value === null ? null : (is_bool($value) ? ($value ? 't' : 'f') : (string) $value);
    return ['rows' => array_map(fn($row) => array_map($text, $row), $rows)];
}

function done(bool $ok): array
{
    return $ok ? [] : ['fault' => 'the driver returned false'];
}

function pdo_refused(Throwable $error): ?array
{
    [$sqlstate, $errno, $message] = ($error instanceof PDOException ? $error->errorInfo : null) ?? [null, null, null];
    return $sqlstate === null ? null : ['sqlstate' => $sqlstate, 'errno' => $errno, 'message' => $message];
}

abstract class PdoVerbs
{
    protected ?PDO $pdo = null;

    public function query($sql): array
    {
        return $this->rows($this->pdo->query($sql));
    }

    public function param($sql, $value): array
    {
        return $this->executed($this->pdo->prepare($sql), $value);
    }

    public function prepared($sql, ...$values): array
    {
        return $this->executed($this->pdo->prepare($sql), ...$values);
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

    public function close(): array
    {
        $this->pdo = null;
        return [];
    }

    protected function executed(PDOStatement $statement, ...$values): array
    {
        $found = [];
        foreach ($values as $value) {
            $statement->bindValue(1, (int) $value, PDO::PARAM_INT);
            $statement->execute();
            array_push($found, ...$this->rows($statement)['rows']);
        }
        return ['rows' => $found];
    }

    protected function rows(PDOStatement $done): array
    {
        return text($done->columnCount() > 0 ? $done->fetchAll(PDO::FETCH_NUM) : []);
    }
}
