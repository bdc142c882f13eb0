package dynamo

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/uuid"

	"goblins-secrets/pkg/secrets"
)

// The audit trail. An event is written once; only rows of refused tries are updated, in a partition of their own.
//
// An event's time is in its id, and its user and secret are only in the keys of the indexes: a reveal's event then
// fits into 1 KB, one write unit in the table and one in each index, with the longest of everything. The row of a refused
// try has no keys of indexes, so that a try costs one unit.

// The indexes, by the attribute that is their partition key: "<a>#<s>" and "<a>#<u>". Their sort key is SK.
const (
	bySecret = "by_secret"
	byUser   = "by_user"
)

// eventPatience ends the write of an event, also in functions with more time: a poller of the log does not wait longer
// for it.
const eventPatience = 10 * time.Second

type eventRow struct {
	key
	Action    string `dynamodbav:"action"`
	BySecret  string `dynamodbav:"by_secret,omitempty"`
	ByUser    string `dynamodbav:"by_user,omitempty"`
	UserName  string `dynamodbav:"user_name,omitempty"`
	KeyID     string `dynamodbav:"key_id,omitempty"`
	KeyName   string `dynamodbav:"key_name,omitempty"`
	SourceIP  string `dynamodbav:"source_ip,omitempty"`
	UserAgent string `dynamodbav:"user_agent,omitempty"`
	RequestID string `dynamodbav:"request_id,omitempty"`

	SecretName  string `dynamodbav:"secret_name,omitempty"`
	ItemID      string `dynamodbav:"item_id,omitempty"`
	ItemKey     string `dynamodbav:"item_key,omitempty"`
	ServiceID   string `dynamodbav:"service_id,omitempty"`
	ServiceName string `dynamodbav:"service_name,omitempty"`

	SubjectUserID   string `dynamodbav:"subject_user_id,omitempty"`
	SubjectUserName string `dynamodbav:"subject_user_name,omitempty"`
	SubjectKeyID    string `dynamodbav:"subject_key_id,omitempty"`
	SubjectKeyName  string `dynamodbav:"subject_key_name,omitempty"`

	Version int64             `dynamodbav:"version,omitempty"`
	Changed []string          `dynamodbav:"changed,omitempty"`
	From    map[string]string `dynamodbav:"from,omitempty"`
	To      map[string]string `dynamodbav:"to,omitempty"`

	eventItems

	ExpiresAt int64 `dynamodbav:"expires_at,omitempty"` // the TTL attribute: Unix, in seconds

	// Of refused tries only.
	Outcome  string `dynamodbav:"outcome,omitempty"`
	UserID   string `dynamodbav:"user_id,omitempty"`
	SecretID string `dynamodbav:"secret_id,omitempty"`
	First    string `dynamodbav:"first,omitempty"`
	Last     string `dynamodbav:"last,omitempty"`
	Tries    int    `dynamodbav:"tries,omitempty"`
}

// eventItems are the items of an event about several. The list of an item's events finds its id in the set. The other
// attributes are in the order of the sorted ids.
type eventItems struct {
	ItemIDs      [][]byte `dynamodbav:"item_ids,omitempty,binaryset"`
	ItemVersions []byte   `dynamodbav:"item_versions,omitempty"` // uvarints
	ItemKeys     []string `dynamodbav:"item_keys,omitempty"`     // of a batch
	ItemsDone    []string `dynamodbav:"items_done,omitempty"`    // of a batch
}

func newEventItems(items []secrets.EventItem) (r eventItems) {
	items = slices.SortedFunc(slices.Values(items), func(a, b secrets.EventItem) int { return bytes.Compare(a.Item.ID[:], b.Item.ID[:]) })
	for _, x := range items {
		r.ItemIDs = append(r.ItemIDs, x.Item.ID[:])
		r.ItemVersions = binary.AppendUvarint(r.ItemVersions, uint64(x.Version))
		if x.Done != "" {
			r.ItemKeys, r.ItemsDone = append(r.ItemKeys, x.Item.Name), append(r.ItemsDone, string(x.Done))
		}
	}
	return r
}

func (r eventItems) items() (items []secrets.EventItem, err error) {
	slices.SortFunc(r.ItemIDs, bytes.Compare)
	versions := r.ItemVersions
	for i, id := range r.ItemIDs {
		var x secrets.EventItem
		if x.Item.ID, err = uuid.FromBytes(id); err != nil {
			return nil, err
		}
		n, size := binary.Uvarint(versions)
		versions, x.Version = versions[max(size, 0):], int64(n)
		if i < len(r.ItemKeys) && i < len(r.ItemsDone) {
			x.Item.Name, x.Done = r.ItemKeys[i], secrets.Done(r.ItemsDone[i])
		}
		items = append(items, x)
	}
	return items, nil
}

// newEventRow encodes an event. The plain ids of its user and secret are left to the caller.
func (s *Store) newEventRow(ev secrets.Event) eventRow {
	r := eventRow{
		key: eventKey(ev.AccountID, ev.ID), Action: ev.Action, UserName: ev.User.Name,
		KeyID: idText(ev.Key.ID), KeyName: ev.Key.Name, SourceIP: ev.SourceIP, UserAgent: ev.UserAgent, RequestID: ev.RequestID,
		SecretName: ev.Secret.Name, ItemID: idText(ev.Item.ID), ItemKey: ev.Item.Name,
		ServiceID: idText(ev.Service.ID), ServiceName: ev.Service.Name,
		SubjectUserID: idText(ev.SubjectUser.ID), SubjectUserName: ev.SubjectUser.Name,
		SubjectKeyID: idText(ev.SubjectKey.ID), SubjectKeyName: ev.SubjectKey.Name,
		Version: ev.Version, Changed: ev.Changed, From: orNil(ev.From), To: orNil(ev.To),
		eventItems: newEventItems(ev.Items),
		BySecret:   indexKey(ev.AccountID, ev.Secret.ID), ByUser: indexKey(ev.AccountID, ev.User.ID),
	}
	if s.EventDays > 0 {
		r.ExpiresAt = ev.At().Add(time.Duration(s.EventDays) * 24 * time.Hour).Unix()
	}
	return r
}

// orNil makes omitempty omit a map that has nothing.
func orNil(m map[string]string) map[string]string {
	if len(m) == 0 {
		return nil
	}
	return m
}

// indexKey is the partition key of an index, or none.
func indexKey(account, id uuid.UUID) string {
	if id == uuid.Nil {
		return ""
	}
	return account.String() + "#" + id.String()
}

func (r eventRow) event() (secrets.Event, error) {
	var p parser
	named := func(id, name string) secrets.Named { return secrets.Named{ID: p.optionalID(id), Name: name} }
	ev := secrets.Event{
		Action: r.Action, Outcome: secrets.OutcomeAllowed, User: named(r.UserID, r.UserName), Key: named(r.KeyID, r.KeyName),
		SourceIP: r.SourceIP, UserAgent: r.UserAgent, RequestID: r.RequestID,
		Secret: named(r.SecretID, r.SecretName), Item: named(r.ItemID, r.ItemKey), Service: named(r.ServiceID, r.ServiceName),
		SubjectUser: named(r.SubjectUserID, r.SubjectUserName), SubjectKey: named(r.SubjectKeyID, r.SubjectKeyName),
		Version: r.Version, Changed: r.Changed, From: r.From, To: r.To,
		Tries: r.Tries, First: p.optionalTime(r.First), Last: p.optionalTime(r.Last),
	}
	var err error
	ev.Items, err = r.items()
	if r.Outcome != "" {
		ev.Outcome = secrets.Outcome(r.Outcome)
	}
	for text, id := range map[string]*uuid.UUID{r.BySecret: &ev.Secret.ID, r.ByUser: &ev.User.ID} {
		if text != "" {
			p.lastIDs(text, id)
		}
	}
	p.lastIDs(r.PK, &ev.AccountID)
	p.lastIDs("#"+r.SK, &ev.ID)
	return ev, errors.Join(p.err, err)
}

// AppendEvent implements secrets.Events.
func (s *Store) AppendEvent(ctx context.Context, ev secrets.Event) error {
	ctx, cancel := context.WithTimeout(ctx, eventPatience)
	defer cancel()
	_, err := s.client.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: &s.table, Item: marshal(s.newEventRow(ev)), ConditionExpression: aws.String("attribute_not_exists(PK)"),
	})
	if refused(err) {
		return nil // ids are random: an earlier attempt, whose answer was lost, wrote the row
	}
	return translate("PutItem", err)
}

// CountRefused implements secrets.Events.
func (s *Store) CountRefused(ctx context.Context, ev secrets.Event) error {
	row := s.newEventRow(ev)
	row.key = refusedKey(ev.AccountID, ev.ID)
	row.Outcome, row.UserID, row.SecretID = string(ev.Outcome), idText(ev.User.ID), idText(ev.Secret.ID)
	row.BySecret, row.ByUser, row.Last = "", "", timeText(ev.Last)
	k := marshal(row.key)
	names, values := map[string]string{"#first": "first", "#tries": "tries"}, attributes{":one": number(1)}
	sets := []string{"#first = if_not_exists(#first, :last)"}
	encoded := marshal(row)
	for _, name := range slices.Sorted(maps.Keys(encoded)) {
		if _, isKey := k[name]; !isKey {
			names["#"+name], values[":"+name] = name, encoded[name]
			sets = append(sets, "#"+name+" = :"+name)
		}
	}
	var gone []string // an attribute of the try before that this one lacks
	for _, name := range []string{"secret_id", "item_id", "source_ip", "user_agent", "request_id"} {
		if _, set := encoded[name]; !set {
			gone = append(gone, name)
		}
	}
	expression := "SET " + strings.Join(sets, ", ") + " ADD #tries :one"
	if gone != nil {
		expression += " REMOVE " + strings.Join(gone, ", ")
	}
	_, err := s.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &s.table, Key: k, UpdateExpression: &expression, ExpressionAttributeNames: names, ExpressionAttributeValues: values,
	}, func(o *dynamodb.Options) { o.Retryer = s.retryUndone })
	return translate("UpdateItem", err)
}

// Events implements secrets.Events.
func (s *Store) Events(ctx context.Context, q secrets.EventQuery) (found []secrets.Event, reached uuid.UUID, err error) {
	in := &dynamodb.QueryInput{
		TableName:                 &s.table,
		ExpressionAttributeNames:  map[string]string{"#pk": "PK"},
		ExpressionAttributeValues: attributes{":low": text(q.Low.String()), ":high": text(q.High.String())},
		KeyConditionExpression:    aws.String("#pk = :pk AND SK BETWEEN :low AND :high"),
		ScanIndexForward:          aws.Bool(!q.Backward),
	}
	if q.Most > 0 {
		in.Limit = aws.Int32(int32(q.Most))
	}
	match := map[string]string{
		"action": q.Match.Action, "key_id": idText(q.Match.Key),
		bySecret: indexKey(q.AccountID, q.Match.Secret), byUser: indexKey(q.AccountID, q.Match.User),
	}
	var conditions []string
	switch q.Trail {
	case secrets.RefusedTries:
		delete(match, bySecret)
		delete(match, byUser)
		match["secret_id"], match["user_id"], match["outcome"] = idText(q.Match.Secret), idText(q.Match.User), string(q.Match.Outcome)
		conditions = append(conditions, "attribute_exists(tries) AND attribute_exists(outcome)") // else it would look like an event
		in.ConsistentRead, in.ExpressionAttributeValues[":pk"] = aws.Bool(true), text(refusedPK(q.AccountID))
	case secrets.EventsOfAccount:
		in.ConsistentRead, in.ExpressionAttributeValues[":pk"] = aws.Bool(true), text(eventsPK(q.AccountID))
	case secrets.EventsOfSecret, secrets.EventsOfUser:
		// IAM can't keep a role from putting a row of another partition into an index: that is no event.
		in.ExpressionAttributeNames["#partition"], in.ExpressionAttributeValues[":events"] = "PK", text(eventsPK(q.AccountID))
		conditions = append(conditions, "#partition = :events")
		index := map[secrets.Trail]string{secrets.EventsOfSecret: bySecret, secrets.EventsOfUser: byUser}[q.Trail]
		in.IndexName, in.ExpressionAttributeNames["#pk"] = &index, index
		in.ExpressionAttributeValues[":pk"] = text(match[index])
		delete(match, index)
	}
	for _, name := range slices.Sorted(maps.Keys(match)) {
		if match[name] != "" {
			in.ExpressionAttributeNames["#"+name], in.ExpressionAttributeValues[":"+name] = name, text(match[name])
			conditions = append(conditions, "#"+name+" = :"+name)
		}
	}
	if q.Match.Item != uuid.Nil {
		in.ExpressionAttributeValues[":item"] = text(q.Match.Item.String())
		in.ExpressionAttributeValues[":member"] = &types.AttributeValueMemberB{Value: q.Match.Item[:]}
		conditions = append(conditions, "(item_id = :item OR contains(item_ids, :member))")
	}
	if conditions != nil {
		in.FilterExpression = aws.String(strings.Join(conditions, " AND "))
	}
	out, err := s.client.Query(ctx, in)
	if err != nil {
		return nil, uuid.Nil, translate("Query", err)
	}
	for _, item := range out.Items {
		ev, err := decode(item, eventRow.event)
		if err != nil {
			return nil, uuid.Nil, err
		}
		found = append(found, ev)
	}
	if out.LastEvaluatedKey != nil {
		last, err := unmarshal[key](out.LastEvaluatedKey)
		if err != nil {
			return nil, uuid.Nil, err
		}
		if reached, err = uuid.Parse(last.SK); err != nil {
			return nil, uuid.Nil, err
		}
	}
	return found, reached, nil
}
