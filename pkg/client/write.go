package client

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// look finds out what became of a write whose answer was lost.
type look[T any] struct {
	find   func(context.Context) (T, error)
	absent verdict             // if find finds nothing
	judge  func(now T) verdict // of what find finds

	// repeats reports that the server does the write each time that it arrives, also with equal content.
	repeats bool
}

// settling is for how long the API may work on a request after its answer was lost: API Gateway gives up after 29
// seconds, and functions before.
const settling = 30 * time.Second

type verdict int

const (
	undone  verdict = iota // the state is as before: the write may be repeated
	done                   // the state is as wanted
	unclear                // another client may have made the state
	gone                   // the object does not exist any more
)

// write does a request once, as far as can be known. The package's documentation describes the protocol. The
// zero T is the answer to a deletion.
func write[T answer](ctx context.Context, c *Client, r request, l look[T]) (T, error) {
	var none T
	anyLost := false
	for try := 1; ; try++ {
		answered, err := do[T](ctx, c, r, &try)
		failed, _ := errors.AsType[*Error](err)
		if failed == nil {
			return answered, nil
		}
		isLost := failed.outcome == lost
		anyLost = anyLost || isLost
		failed.uncertain = anyLost
		if !anyLost || failed.outcome == notDone {
			return none, failed
		}
		if isLost && !c.pause(ctx, try, failed.Wait) {
			return none, failed.endedBy(ctx)
		}
		// A write that is still on its way must not be done twice. If the API answered, the function has ended.
		mayArrive := l.repeats && !failed.isAPI && isLost && !c.sleep(ctx, c.settling)
		now, v, err := l.at(ctx)
		switch {
		case err != nil:
			failed.cause = errors.Join(failed.cause, err)
			return none, failed
		case v == done:
			return now, nil
		case v == unclear:
			failed.Found = now
			return none, failed
		case v == gone:
			failed.Status, failed.Detail, failed.Fields, failed.isAPI = http.StatusNotFound, "the object is gone", nil, true
			return none, failed
		case !isLost || try >= c.tries || mayArrive:
			return none, failed
		}
	}
}

func (l look[T]) at(ctx context.Context) (now T, v verdict, err error) {
	now, err = l.find(ctx)
	if IsNotFound(err) {
		return now, l.absent, nil
	}
	if err != nil {
		return now, unclear, err
	}
	return now, l.judge(now), nil
}

// create does a POST. find looks for the name or key.
func create[T answer](ctx context.Context, c *Client, op string, path []string, fields map[string]any, find func(context.Context) (T, error)) (T, error) {
	r := request{op: op, method: http.MethodPost, path: path, fields: fields, want: http.StatusCreated}
	return write(ctx, c, r, look[T]{find: find, absent: undone, judge: func(T) verdict { return unclear }})
}

// update does a PATCH.
func update[T answer](ctx context.Context, c *Client, op string, path []string, fields map[string]any, l look[T]) (T, error) {
	l.absent = gone
	return write(ctx, c, request{op: op, method: http.MethodPatch, path: path, fields: fields, want: http.StatusOK}, l)
}

// judge is the verdict on an object that was to be updated.
func judge(isWanted, isUnchanged bool) verdict {
	switch {
	case isWanted:
		return done
	case isUnchanged:
		return undone
	}
	return unclear
}

// remove does a DELETE. find looks for the object.
func remove[T answer](ctx context.Context, c *Client, op string, path []string, find func(context.Context) (T, error)) error {
	r := request{op: op, method: http.MethodDelete, path: path, want: http.StatusNoContent}
	_, err := write(ctx, c, r, look[T]{find: find, absent: gone, judge: func(T) verdict { return undone }})
	return err
}
