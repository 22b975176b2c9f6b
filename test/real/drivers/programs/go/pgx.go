// Go's pgx as a program of ../../program.ts. A cancelled context ends its connection.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgconn"
	"github.com/jackc/pgx/v4"
)

// runner is what a connection and a transaction have in common.
type runner interface {
	Query(ctx context.Context, query string, args ...any) (pgx.Rows, error)
}

type verbs struct {
	conn  *pgx.Conn
	block pgx.Tx
}

func main() {
	serve(&verbs{})
}

func (v *verbs) refused(err error) answer {
	var refused *pgconn.PgError
	if !errors.As(err, &refused) {
		return nil
	}
	return answer{"sqlstate": refused.Code, "message": refused.Message}
}

func (v *verbs) perform(ctx context.Context, verb string, args []string) (answer, error) {
	switch verb {
	case "connect":
		conn, err := pgx.Connect(ctx, fmt.Sprintf("host=127.0.0.1 port=%s user=%s password=%s dbname=%s", args[0], args[1], args[2], args[3]))
		v.conn = conn
		return nil, err
	case "begin":
		block, err := v.conn.Begin(ctx)
		v.block = block
		return nil, err
	case "commit":
		block := v.block
		v.block = nil
		return nil, block.Commit(ctx)
	case "rollback":
		block := v.block
		v.block = nil
		return nil, block.Rollback(ctx)
	case "copyin":
		lines := [][]any{}
		for _, line := range args[2:] {
			lines = append(lines, []any{line})
		}
		_, err := v.conn.CopyFrom(ctx, pgx.Identifier{args[0]}, []string{args[1]}, pgx.CopyFromRows(lines))
		return nil, err
	case "copyout":
		var copied bytes.Buffer
		if _, err := v.conn.PgConn().CopyTo(ctx, &copied, "COPY "+args[0]+" TO STDOUT"); err != nil {
			return nil, err
		}
		all := [][]string{}
		for _, line := range strings.Split(strings.TrimSuffix(copied.String(), "\n"), "\n") {
			all = append(all, strings.Split(line, "\t"))
		}
		return answer{"rows": all}, nil
	case "listen":
		return v.query(ctx, "LISTEN "+args[0])
	case "notified":
		heard, err := v.conn.WaitForNotification(ctx)
		if err != nil {
			return nil, err
		}
		return answer{"rows": [][]string{{heard.Channel, heard.Payload}}}, nil
	case "close":
		return nil, v.conn.Close(ctx)
	}
	return nil, errors.New("no such verb: " + verb)
}

func (v *verbs) query(ctx context.Context, text string, args ...any) (answer, error) {
	var on runner = v.conn
	if v.block != nil {
		on = v.block
	}
	found, err := on.Query(ctx, text, args...)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	all := [][]*string{}
	for found.Next() {
		values, err := found.Values()
		if err != nil {
			return nil, err
		}
		row := make([]*string, len(values))
		for i, value := range values {
			if value != nil {
				shown := fmt.Sprint(value)
				row[i] = &shown
			}
		}
		all = append(all, row)
	}
	return answer{"rows": all}, found.Err()
}

func (v *verbs) prepared(ctx context.Context, text string, values []string) (answer, error) {
	if _, err := v.conn.Prepare(ctx, "by_id", text); err != nil {
		return nil, err
	}
	return each(values, func(number int) (answer, error) {
		return v.query(ctx, "by_id", number)
	})
}
