// What the Go programs share: the line protocol of ../../program.ts, and the verbs that are a driver's query.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"os"
	"strconv"
	"strings"
)

type answer map[string]any

type driver interface {
	query(ctx context.Context, text string, args ...any) (answer, error)
	prepared(ctx context.Context, text string, values []string) (answer, error)
	perform(ctx context.Context, verb string, args []string) (answer, error)
	// refused is the server's error; nil: this is none.
	refused(err error) answer
}

var in = bufio.NewReader(os.Stdin)

// serve answers one line a verb until the input ends.
func serve(d driver) {
	out := json.NewEncoder(os.Stdout)
	out.Encode(answer{"version": ""})
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		words := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		done, err := perform(d, words[0], words[1:])
		if err == nil && done == nil {
			done = answer{}
		} else if refused := d.refused(err); refused != nil {
			done = answer{"error": refused}
		} else if errors.Is(err, context.Canceled) {
			done = answer{"cancelled": err.Error()}
		} else if err != nil {
			done = answer{"fault": err.Error()}
		}
		out.Encode(done)
	}
}

func perform(d driver, verb string, args []string) (answer, error) {
	ctx := context.Background()
	switch verb {
	case "query":
		return d.query(ctx, args[0])
	case "param":
		value, _ := strconv.Atoi(args[1])
		return d.query(ctx, args[0], value)
	case "prepared":
		return d.prepared(ctx, args[0], args[1:])
	case "cancel":
		cancelled, cancel := context.WithCancel(ctx)
		defer cancel()
		go func() {
			in.ReadString('\n')
			cancel()
		}()
		return d.query(cancelled, args[0])
	}
	return d.perform(ctx, verb, args)
}

// each runs once for each value; the rows of all.
func each(values []string, run func(number int) (answer, error)) (answer, error) {
	all := [][]*string{}
	for _, value := range values {
		number, _ := strconv.Atoi(value)
		one, err := run(number)
		if err != nil {
			return nil, err
		}
		all = append(all, one["rows"].([][]*string)...)
	}
	return answer{"rows": all}, nil
}
