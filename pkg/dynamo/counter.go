package dynamo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"goblins-secrets/pkg/secrets"
)

// The read counter is a sliding-window log of exactly N admissions, where N is the limit: a queue of their times,
// oldest first. A reveal is admitted if the oldest of them has left the window. Its time then takes that one's place.
// So a charge is one conditional UpdateItem that pops one time and pushes another, whatever N is:
//
//	head row  READS           o = [oldest …]   n = [… newest]   l = N   w   b   m   h   g   a   d   p
//	block     READS#<g>#<i>   o = [times]                       for i = h-len(m) … h-1
//	queue     o, block h-len(m), …, block h-1, n
//
// The queue of a new user is full of zeros, which left every window long ago. Times are milliseconds since 2025-01-01.
//
// Lifetime. The transaction that creates a user puts the head, and the one that deletes the user deletes it. No other
// write creates a head, and without one no reveal is admitted. The TTL removes the blocks of a deleted head.
//
// Own limit. w is the user's own limit, which a transaction sets or removes. While w exists, it replaces the limit of
// every deployment: a charge is admitted only if w = l. If they differ, the next charge first resizes the queue to w.
// So a change counts from the first charge after the transaction. Removing w also clears a, so that the deployment's
// limit counts from the next charge too.
//
// Conflicts. DynamoDB refuses an update of the head while a transaction is under way on it. The update was not done, so
// the store repeats it, and a charge still counts at most once.
//
// Rotation. When charges have moved b times from o to n, a rotation moves the first b times of n into block h, and the
// oldest block to the end of o. First it writes the new block and reads the oldest one. Then a compare-and-swap of h
// makes both count. Until then nothing refers to the new block, and its times can't change: n only grows while h stays.
// So any number of callers may rotate, stop or sleep at any step. Counters of at most 104 have no blocks: a rotation is
// one update that appends n to o. Rotations begin while o still has a reserve, if N is large enough, so that charges
// need not wait for them.
//
// Lost blocks. m has the newest time of each block. A block that is missing counts as if all its times were that one:
// too long, never too short. So a block of equal times is not stored. Blocks have a TTL of two days, twice the longest
// window.
//
// Another limit. A charge that needs another limit reads the whole queue, and makes one of the new length with a new
// random number g. Then a compare-and-swap of the head makes it count, unless w has changed meanwhile. A shorter queue
// drops the oldest times, but keeps the old head as READS#<g>, and sets p until the next charge: a longer queue gets the
// times back meanwhile. Otherwise a longer queue is filled with d, the newest time that the queue has lost. It no longer
// counts in the window that it has left. In a longer window it can count too long, never too short.
//
// During a deployment, functions with two limits use one row. Unless w exists, the row keeps its limit while one of
// those that agree with it was admitted within the last minute (a): the others then charge by the row's limit, in a
// second call. So each answer is one of both, and exact for it. The limit changes at most once a minute, and never while
// its callers are at work, so the compare-and-swap does not starve.
//
// The order is that of admissions. Clocks of functions differ, so a time can be older than the one before it. While the
// limit stays, of any N+1 admissions in a row the last was written at least a window later than the first.
type counterRow struct {
	key
	Limit  int     `dynamodbav:"l"`
	Own    int     `dynamodbav:"w,omitempty"` // the user's own limit; 0: the deployment's holds
	Size   int     `dynamodbav:"b"`           // of blocks; without blocks, of what a rotation moves
	Oldest []int64 `dynamodbav:"o"`
	Newest []int64 `dynamodbav:"n"`
	Blocks []int64 `dynamodbav:"m"` // the newest time of each block
	Next   int     `dynamodbav:"h"`
	Queue  int64   `dynamodbav:"g"` // the number of this queue; each limit begins another
	Agreed int64   `dynamodbav:"a"` // when a caller with this limit was admitted last
	Lost   int64   `dynamodbav:"d"` // the newest time that the queue has popped or dropped
	Kept   bool    `dynamodbav:"p"` // the head before is kept: it has times that this queue dropped
}

type blockRow struct {
	key
	Times   []int64 `dynamodbav:"o"`
	Expires int64   `dynamodbav:"expires_at"` // see expiry
}

// keptRow is the head of a queue that was replaced by a shorter one.
type keptRow struct {
	counterRow
	Expires int64 `dynamodbav:"expires_at"` // see expiry
}

// expiry is the TTL attribute, in seconds since 1970, of a row whose newest time is this one.
func expiry(newest int64) int64 { return fromEpoch(newest).Add(blockLife).Unix() }

var counterEpoch = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

func sinceEpoch(t time.Time) int64 { return t.Sub(counterEpoch).Milliseconds() }

func fromEpoch(ms int64) time.Time { return counterEpoch.Add(time.Duration(ms) * time.Millisecond) }

const (
	blockLife     = 48 * time.Hour
	agreedFor     = time.Minute
	headEntries   = 104 // numbers that a head has room for in 1 KB, one write unit
	blockReserve  = 32  // at least: a rotation lasts two calls, in which 16 callers charge twice each
	chargeTries   = 50
	rotationWaits = 4 // for another caller's rotation, each longer than the one before
	rotationWait  = 4 * time.Millisecond
)

// layout is how a queue is split: blocks of size times each, and the rest in the head.
type layout struct{ blocks, size, head int }

// layoutOf returns the layout with the fewest blocks whose head fits one write unit. There is one up to about 1,300;
// ReadLimit is at most 1,000.
func layoutOf(limit int) layout {
	if limit <= headEntries {
		return layout{0, limit - limit/6, limit}
	}
	for blocks := 1; ; blocks++ {
		size := (limit - blockReserve) / (blocks + 1)
		if head := limit - blocks*size; head+blocks <= headEntries || size < blocks {
			return layout{blocks, size, head}
		}
	}
}

// reserve is what o has left when a rotation is due.
func (r counterRow) reserve() int { return r.Limit - len(r.Blocks)*r.Size - r.Size }

// due reports whether a charge that left the row so should be followed by a rotation: once by the caller whose charge
// reaches the reserve, and twice more, if that caller failed.
func (r counterRow) due() bool {
	reserve, left := r.reserve(), len(r.Oldest)
	return left == reserve || left == reserve/2 || left == 0
}

// newCounter is the counter of a new user, to be put when the user is created. limit is the deployment's, own the
// user's own limit; 0: none.
func newCounter(account, user uuid.UUID, limit, own int) counterRow {
	limit = cmp.Or(own, limit)
	l := layoutOf(limit)
	return counterRow{
		key: revealsKey(account, user), Limit: limit, Own: own, Size: l.size,
		Oldest: make([]int64, l.head), Newest: []int64{}, Blocks: make([]int64, l.blocks), Next: l.blocks,
	}
}

// ownLimit changes a user's own limit; 0: the user has none any longer. The next charge uses the new limit. ErrChanged:
// the user has no counter.
func (s *Store) ownLimit(account, user uuid.UUID, own int) write {
	expression, values := "SET w = :own", attributes{":own": number(int64(own))}
	if own == 0 {
		expression, values = "SET a = :never REMOVE w", attributes{":never": number(0)}
	}
	return s.update(revealsKey(account, user), expression, "attribute_exists(PK)", nil, values, secrets.ErrChanged)
}

// removeCounter deletes a user's counter. No reveal is admitted after it. ErrChanged: the user has no counter.
func (s *Store) removeCounter(account, user uuid.UUID) write {
	return s.remove(revealsKey(account, user), "attribute_exists(PK)", nil, nil, secrets.ErrChanged)
}

// ChargeReveal implements secrets.Reveals. The condition and the change are one UpdateItem, so the limit is exact for
// any number of concurrent callers.
func (s *Store) ChargeReveal(ctx context.Context, account, user uuid.UUID, now time.Time, limit int, window time.Duration) (secrets.Charge, error) {
	at := sinceEpoch(now)
	cutoff := at - window.Milliseconds()
	agreeing, waits := true, 0
	for range chargeTries {
		row, admitted, err := s.admit(ctx, account, user, at, cutoff, limit, agreeing)
		if err != nil {
			return secrets.Charge{}, err
		}
		wanted, agrees := row.wanted(at, limit), row.Own != 0 || row.Limit == limit
		switch {
		case admitted:
			return s.admitted(account, user, row, cutoff), nil
		case row.PK == "":
			return secrets.Charge{}, secrets.ErrNotFound
		case row.Limit != wanted:
			err = s.resize(ctx, account, user, row, at, wanted)
		case agreeing != agrees:
			agreeing = agrees
		case len(row.Oldest) > 0 || len(row.Blocks) == 0 && row.Newest[0] > cutoff: // the oldest one still counts
			return secrets.Charge{Tally: s.tallying(account, user, row, cutoff)}, nil
		case waits < rotationWaits && row.reserve() > 0: // another caller's rotation is on its way
			waits++
			err = sleep(ctx, rand.N(2*rotationWait)*time.Duration(waits))
		default:
			err = s.rotate(ctx, account, user, row)
		}
		if err != nil {
			return secrets.Charge{}, err
		}
	}
	return secrets.Charge{}, fmt.Errorf("charge: too many tries: %w", secrets.ErrUnavailable)
}

// wanted is the limit that a charge must find: the user's own, the row's while its callers are at work, or that of the
// caller's deployment.
func (r counterRow) wanted(at int64, limit int) int {
	switch {
	case r.Own != 0:
		return r.Own
	case r.isAgreed(at):
		return r.Limit
	}
	return limit
}

// admitted is the answer to a charge that left the row so.
func (s *Store) admitted(account, user uuid.UUID, row counterRow, cutoff int64) secrets.Charge {
	c := secrets.Charge{Admitted: true, Tally: s.tallying(account, user, row, cutoff)}
	if row.due() {
		c.Rotate = func(ctx context.Context) error { return s.rotate(ctx, account, user, row) }
	}
	return c
}

// isAgreed reports whether a caller with the row's limit was admitted within the last minute. A time that is far ahead
// is that of a wrong clock.
func (r counterRow) isAgreed(at int64) bool {
	minute := agreedFor.Milliseconds()
	return r.Agreed > at-minute && r.Agreed <= at+minute
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return translate("UpdateItem", ctx.Err())
	case <-time.After(d):
		return nil
	}
}

// admit is the one conditional update of a charge. It returns the row as it then is. A caller that does not agree
// with the row's limit leaves it as it is.
func (s *Store) admit(ctx context.Context, account, user uuid.UUID, at, cutoff int64, limit int, agreeing bool) (row counterRow, admitted bool, err error) {
	update, condition := "SET n = list_append(n, :now), d = o[0], p = :false", "o[0] <= :cutoff"
	values := attributes{":now": numbers(at), ":cutoff": number(cutoff), ":false": &types.AttributeValueMemberBOOL{}}
	if agreeing {
		update += ", a = :at"
		condition = "(w = l OR attribute_not_exists(w) AND l = :limit) AND " + condition
		values[":at"], values[":limit"] = number(at), number(int64(limit))
	} else {
		condition = "attribute_not_exists(w) AND a > :agreed AND " + condition
		values[":agreed"] = number(at - agreedFor.Milliseconds())
	}
	out, err := s.updateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &s.table, Key: marshal(revealsKey(account, user)),
		UpdateExpression: aws.String(update + " REMOVE o[0]"), ConditionExpression: &condition, ExpressionAttributeValues: values,
		ReturnValues:                        types.ReturnValueAllNew,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}, func(o *dynamodb.Options) { o.Retryer = s.retryUndone })
	var failed *types.ConditionalCheckFailedException
	switch {
	case errors.As(err, &failed):
		row, err = unmarshal[counterRow](failed.Item)
		return row, false, err
	case err != nil:
		return row, false, translate("UpdateItem", err)
	}
	row, err = unmarshal[counterRow](out.Attributes)
	return row, true, err
}

// updateItem updates a row of the counter, also if transactions are under way on it.
func (s *Store) updateItem(ctx context.Context, in *dynamodb.UpdateItemInput, options ...func(*dynamodb.Options)) (out *dynamodb.UpdateItemOutput, err error) {
	err = retryConflicts(ctx, func() error {
		out, err = s.client.UpdateItem(ctx, in, options...)
		return err
	})
	return out, err
}

// swapHead replaces the head, on a condition with these values. It returns false if the condition fails.
func (s *Store) swapHead(ctx context.Context, head counterRow, condition string, values attributes) (bool, error) {
	in := s.overwrite(marshal(head))
	in.ConditionExpression = &condition
	maps.Copy(in.ExpressionAttributeValues, values)
	_, err := s.updateItem(ctx, in, func(o *dynamodb.Options) { o.Retryer = s.retryUndone })
	if refused(err) {
		return false, nil
	}
	return err == nil, translate("UpdateItem", err)
}

// overwrite is an update of all attributes of a row. The policy has no other write to this partition.
func (s *Store) overwrite(row attributes) *dynamodb.UpdateItemInput {
	in := &dynamodb.UpdateItemInput{TableName: &s.table, Key: attributes{}, ExpressionAttributeValues: attributes{}}
	var sets []string
	for name, value := range row {
		if name == "PK" || name == "SK" {
			in.Key[name] = value
			continue
		}
		sets = append(sets, name+" = :"+name)
		in.ExpressionAttributeValues[":"+name] = value
	}
	in.UpdateExpression = aws.String("SET " + strings.Join(sets, ", "))
	return in
}

// rotate refills o. It does nothing if another caller has done it since the row was read.
func (s *Store) rotate(ctx context.Context, account, user uuid.UUID, row counterRow) error {
	condition, values := "h = :h AND g = :g", attributes{":h": number(int64(row.Next)), ":g": number(row.Queue)}
	update := ""
	if len(row.Blocks) == 0 {
		update = "SET o = list_append(o, n), n = :none, h = :next"
		values[":none"] = numbers()
	} else {
		sealed := row.Newest[:row.Size]
		var oldest []int64
		var g errgroup.Group
		g.Go(func() error { return s.putBlock(ctx, account, user, row.Queue, row.Next, sealed) })
		g.Go(func() (err error) {
			oldest, err = s.block(ctx, account, user, row.Queue, row.Next-len(row.Blocks), row.Size, row.Blocks[0])
			return err
		})
		if err := g.Wait(); err != nil {
			return err
		}
		var moved []string
		for i := row.Size - 1; i >= 0; i-- { // descending: emulators get the other order wrong
			moved = append(moved, fmt.Sprintf("n[%d]", i))
		}
		update = "SET o = list_append(o, :block), m = :m, h = :next REMOVE " + strings.Join(moved, ", ")
		values[":block"], values[":m"] = numbers(oldest...), numbers(append(slices.Clone(row.Blocks[1:]), slices.Max(sealed))...)
	}
	values[":next"] = number(int64(row.Next + 1))
	// The SDK may repeat it: done once, the condition fails.
	_, err := s.updateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &s.table, Key: marshal(revealsKey(account, user)),
		UpdateExpression: &update, ConditionExpression: &condition, ExpressionAttributeValues: values,
	})
	if refused(err) {
		return nil
	}
	return translate("UpdateItem", err)
}

// putBlock writes a block, unless it is one that counts the same if it is missing.
func (s *Store) putBlock(ctx context.Context, account, user uuid.UUID, queue int64, block int, times []int64) error {
	newest := slices.Max(times)
	if slices.Min(times) == newest {
		return nil
	}
	row := blockRow{revealsBlockKey(account, user, queue, block), times, expiry(newest)}
	_, err := s.updateItem(ctx, s.overwrite(marshal(row)))
	return translate("UpdateItem", err)
}

// block reads a block's times. One that is missing counts as if all were its newest time.
func (s *Store) block(ctx context.Context, account, user uuid.UUID, queue int64, block, size int, newest int64) ([]int64, error) {
	missing := slices.Repeat([]int64{newest}, size)
	if newest == 0 {
		return missing, nil
	}
	row, err := get[blockRow](ctx, s, revealsBlockKey(account, user, queue, block))
	if errors.Is(err, secrets.ErrNotFound) || err == nil && len(row.Times) != size {
		return missing, nil
	}
	return row.Times, err
}

// tallying counts what a charge left. It is for later, because it may read a block.
func (s *Store) tallying(account, user uuid.UUID, row counterRow, cutoff int64) func(context.Context) (secrets.Tally, error) {
	return func(ctx context.Context) (secrets.Tally, error) { return s.tally(ctx, account, user, row, cutoff) }
}

// tally counts the admissions within the window: those behind the first one that is. It reads at most one block, and
// only if the window begins there.
func (s *Store) tally(ctx context.Context, account, user uuid.UUID, row counterRow, cutoff int64) (secrets.Tally, error) {
	counts := func(at int64) bool { return at > cutoff }
	times, before := row.Oldest, 0
	if !slices.ContainsFunc(times, counts) {
		if i := slices.IndexFunc(row.Blocks, counts); i >= 0 {
			before = len(row.Oldest) + i*row.Size
			var err error
			if times, err = s.block(ctx, account, user, row.Queue, row.Next-len(row.Blocks)+i, row.Size, row.Blocks[i]); err != nil {
				return secrets.Tally{}, err
			}
		} else {
			times, before = row.Newest, len(row.Oldest)+len(row.Blocks)*row.Size
		}
	}
	first := slices.IndexFunc(times, counts)
	if first < 0 {
		return secrets.Tally{Limit: row.Limit}, nil
	}
	return secrets.Tally{Limit: row.Limit, Counting: row.Limit - before - first, Oldest: fromEpoch(times[first])}, nil
}

// Tally implements secrets.Reveals.
func (s *Store) Tally(ctx context.Context, account, user uuid.UUID, now time.Time, limit int, window time.Duration) (secrets.Tally, error) {
	row, err := get[counterRow](ctx, s, revealsKey(account, user))
	if err != nil {
		return secrets.Tally{}, err
	}
	at := sinceEpoch(now)
	if wanted := row.wanted(at, limit); row.Limit != wanted { // the next charge changes the limit
		times, lost, err := s.times(ctx, account, user, row)
		if err != nil {
			return secrets.Tally{}, err
		}
		row = counterRow{Limit: wanted, Oldest: resized(times, lost, wanted)}
	}
	return s.tally(ctx, account, user, row, at-window.Milliseconds())
}

// resized is a queue with another limit: the newest of the times, after as many of what was lost before as it takes.
func resized(times []int64, lost int64, limit int) []int64 {
	return append(slices.Repeat([]int64{lost}, max(limit-len(times), 0)), times[max(len(times)-limit, 0):]...)
}

// resize gives the counter another limit. It does nothing if the head has changed since it was read.
func (s *Store) resize(ctx context.Context, account, user uuid.UUID, was counterRow, at int64, limit int) error {
	times, lost, err := s.times(ctx, account, user, was)
	if err != nil {
		return err
	}
	l, queue := layoutOf(limit), resized(times, lost, limit)
	head := counterRow{
		key: was.key, Limit: limit, Size: l.size, // w stays: only transactions write it
		Oldest: queue[:l.head], Newest: []int64{}, Blocks: make([]int64, l.blocks), Next: l.blocks,
		Queue: 1 + rand.Int64N(1<<40), Agreed: at, Lost: lost, Kept: len(times) > limit,
	}
	var g errgroup.Group
	if head.Kept {
		head.Lost = max(lost, slices.Max(times[:len(times)-limit]))
		kept := keptRow{was, expiry(slices.Max(times))}
		kept.key = revealsKeptKey(account, user, head.Queue)
		g.Go(func() error {
			_, err := s.updateItem(ctx, s.overwrite(marshal(kept)))
			return translate("UpdateItem", err)
		})
	}
	for i := range l.blocks {
		block := queue[l.head+i*l.size:][:l.size]
		head.Blocks[i] = slices.Max(block)
		g.Go(func() error { return s.putBlock(ctx, account, user, head.Queue, i, block) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	// Each charge changes n, and each rotation h.
	condition := "g = :was AND h = :turn AND n = :newest AND a = :agreed AND "
	values := attributes{
		":was": number(was.Queue), ":turn": number(int64(was.Next)), ":newest": numbers(was.Newest...), ":agreed": number(was.Agreed),
	}
	if was.Own == 0 {
		condition += "attribute_not_exists(w)"
	} else {
		condition += "w = :own"
		values[":own"] = number(int64(was.Own))
	}
	_, err = s.swapHead(ctx, head, condition, values)
	return err
}

// times returns the whole queue of a head, and the newest time that it has lost. If the head before is kept, that one
// has all that this one has, and more.
func (s *Store) times(ctx context.Context, account, user uuid.UUID, head counterRow) (times []int64, lost int64, err error) {
	if head.Kept {
		before, err := get[keptRow](ctx, s, revealsKeptKey(account, user, head.Queue))
		if !errors.Is(err, secrets.ErrNotFound) {
			if err != nil {
				return nil, 0, err
			}
			return s.times(ctx, account, user, before.counterRow)
		}
	}
	blocks := make([][]int64, len(head.Blocks))
	var g errgroup.Group
	for i, newest := range head.Blocks {
		g.Go(func() (err error) {
			blocks[i], err = s.block(ctx, account, user, head.Queue, head.Next-len(head.Blocks)+i, head.Size, newest)
			return err
		})
	}
	err = g.Wait()
	return slices.Concat(head.Oldest, slices.Concat(blocks...), head.Newest), head.Lost, err
}

// numbers is a list of numbers.
func numbers(all ...int64) types.AttributeValue {
	list := &types.AttributeValueMemberL{Value: []types.AttributeValue{}}
	for _, n := range all {
		list.Value = append(list.Value, number(n))
	}
	return list
}
