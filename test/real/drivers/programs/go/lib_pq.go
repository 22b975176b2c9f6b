// Go's lib/pq as a program of ../../program.ts. It can copy in only; a cancelled context ends its connection.
package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/lib/pq"
)

// runner is what a connection and a transaction have in common.
type runner interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	PrepareContext(ctx context.Context, query string) (*sql.Stmt, error)
}

type verbs struct {
	dsn      string
	pool     *sql.DB
	conn     *sql.Conn
	block    *sql.Tx
	listener *pq.Listener
}

func main() {
	serve(&verbs{})
}

func (v *verbs) refused(err error) answer {
	var refused *pq.Error
	if !errors.As(err, &refused) {
		return nil
	}
	return answer{"sqlstate": string(refused.Code), "message": refused.Message}
}

func (v *verbs) perform(ctx context.Context, verb string, args []string) (answer, error) {
	switch verb {
	case "connect":
		v.dsn = fmt.Sprintf("host=127.0.0.1 port=%s user=%s password=%s dbname=%s sslmode=disable", args[0], args[1], args[2], args[3])
		pool, err := sql.Open("postgres", v.dsn)
		if err != nil {
			return nil, err
		}
		v.pool = pool
		v.conn, err = pool.Conn(ctx)
		return nil, err
	case "begin":
		block, err := v.conn.BeginTx(ctx, nil)
		v.block = block
		return nil, err
	case "commit":
		block := v.block
		v.block = nil
		return nil, block.Commit()
	case "rollback":
		block := v.block
		v.block = nil
		return nil, block.Rollback()
	case "copyin":
		return nil, v.copyIn(ctx, args[0], args[1], args[2:])
	case "listen":
		v.listener = pq.NewListener(v.dsn, time.Second, time.Minute, nil)
		return nil, v.listener.Listen(args[0])
	case "notified":
		for heard := range v.listener.Notify {
			if heard != nil {
				return answer{"rows": [][]string{{heard.Channel, heard.Extra}}}, nil
			}
		}
		return nil, errors.New("the listener ended")
	case "close":
		if v.listener != nil {
			v.listener.Close()
			v.listener = nil
		}
		v.conn.Close()
		return nil, v.pool.Close()
	}
	return nil, errors.New("no such verb: " + verb)
}

func (v *verbs) runner() runner {
	if v.block != nil {
		return v.block
	}
	return v.conn
}

func (v *verbs) query(ctx context.Context, text string, args ...any) (answer, error) {
	return rows(v.runner().QueryContext(ctx, text, args...))
}

func (v *verbs) prepared(ctx context.Context, text string, values []string) (answer, error) {
	statement, err := v.runner().PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	defer statement.Close()
	return each(values, func(number int) (answer, error) {
		return rows(statement.QueryContext(ctx, number))
	})
}

func (v *verbs) copyIn(ctx context.Context, table, column string, lines []string) error {
	block, err := v.conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer block.Rollback()
	statement, err := block.Prepare(pq.CopyIn(table, column))
	if err != nil {
		return err
	}
	for _, line := range lines {
		if _, err := statement.Exec(line); err != nil {
			return err
		}
	}
	if _, err := statement.Exec(); err != nil {
		return err
	}
	if err := statement.Close(); err != nil {
		return err
	}
	return block.Commit()
}

func rows(found *sql.Rows, err error) (answer, error) {
	if err != nil {
		return nil, err
	}
	defer found.Close()
	columns, err := found.Columns()
	if err != nil {
		return nil, err
	}
	all := [][]*string{}
	for found.Next() {
		row := make([]*string, len(columns))
		into := make([]any, len(columns))
		for i := range row {
			into[i] = &row[i]
		}
		if err := found.Scan(into...); err != nil {
			return nil, err
		}
		all = append(all, row)
	}
	return answer{"rows": all}, found.Err()
}
