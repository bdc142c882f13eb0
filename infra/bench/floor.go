package main

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"goblins-secrets/infra/local/stack"
	"goblins-secrets/pkg/secrets"
)

// floor is the minimum that does the product's work. It makes the same AWS calls, in parallel
// where the product does, with the same expressions and rows of the same size, and uses
// AES-GCM where the product seals. It does not check input, map errors or build answers. The
// difference in time is the product's overhead.
//
// A test checks that the calls are the same.
type floor struct {
	db        *dynamodb.Client
	kms       *kms.Client
	table     string
	masterKey string
}

// newFloor makes clients from the product's own configuration.
func newFloor(cfg aws.Config, at stack.Endpoints) *floor {
	return &floor{
		db:        dynamodb.NewFromConfig(cfg, func(o *dynamodb.Options) { o.BaseEndpoint = &at.DynamoDB }),
		kms:       kms.NewFromConfig(cfg, func(o *kms.Options) { o.BaseEndpoint = &at.KMS }),
		table:     at.Table,
		masterKey: at.MasterKey,
	}
}

type row = map[string]types.AttributeValue

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
func number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}
func rowKey(pk, sk string) row { return row{"PK": text(pk), "SK": text(sk)} }

func accountPK(c secrets.Caller) string { return "ACCOUNT#" + c.AccountID.String() }
func secretPK(c secrets.Caller, secret string) string {
	return "SECRET#" + c.AccountID.String() + "#" + secret
}
func readsPK(c secrets.Caller) string {
	return "USER#" + c.AccountID.String() + "#" + c.UserID.String()
}

func timestamp() string { return time.Now().UTC().Format("2006-01-02T15:04:05.000000Z") }

const (
	readLimit  = 100 // the template's default
	readWindow = time.Hour
	reserve    = 16 // admissions that are left when the counter is rotated; see pkg/dynamo
)

// counterEpoch is the epoch of the times in the read counter; see pkg/dynamo.
var counterEpoch = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

// fillCounter writes a user's read counter with a full budget of reveals that have all left the
// window. It is as long as that of a user who reveals every day, but the whole budget is left.
func (f *floor) fillCounter(ctx context.Context, c secrets.Caller) error {
	before := time.Since(counterEpoch) - 24*time.Hour
	times := make([]types.AttributeValue, readLimit)
	for i := range times {
		times[i] = number(before.Milliseconds() + int64(i)*1000)
	}
	filled := rowKey(readsPK(c), "READS")
	filled["o"], filled["n"] = &types.AttributeValueMemberL{Value: times}, &types.AttributeValueMemberL{Value: []types.AttributeValue{}}
	filled["l"], filled["b"], filled["h"], filled["g"] = number(readLimit), number(readLimit-reserve), number(0), number(0)
	filled["a"], filled["d"], filled["p"] = number(before.Milliseconds()), number(before.Milliseconds()), &types.AttributeValueMemberBOOL{}
	_, err := f.db.PutItem(ctx, &dynamodb.PutItemInput{TableName: &f.table, Item: filled})
	return err
}

// reveal reveals one value.
func (f *floor) reveal(ctx context.Context, c secrets.Caller, secret, item string) ([]byte, error) {
	var charge *dynamodb.UpdateItemOutput
	var read map[string]row
	var first, second errgroup.Group
	first.Go(func() (err error) { charge, err = f.charge(ctx, c); return err })
	first.Go(func() (err error) { read, err = f.value(ctx, c, secret, item); return err })
	if err := first.Wait(); err != nil {
		return nil, err
	}
	value := read["VALUE#"+item]
	if value == nil {
		return nil, errors.New("no value")
	}
	sealed := value["sealed"].(*types.AttributeValueMemberB).Value
	version := value["version"].(*types.AttributeValueMemberN).Value
	if left := len(charge.Attributes["o"].(*types.AttributeValueMemberL).Value); left == reserve {
		second.Go(func() error { return f.rotate(ctx, c, charge.Attributes["h"]) })
	}
	var opened []byte
	second.Go(func() (err error) {
		opened, err = f.open(ctx, associatedData(c, secret, item, version), sealed)
		return err
	})
	second.Go(func() error {
		_, err := f.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
			TableName: &f.table, Key: rowKey(secretPK(c, secret), "ITEM#"+item),
			UpdateExpression:    aws.String("SET last_accessed_at = :at, last_accessed_by = :by"),
			ConditionExpression: aws.String("attribute_exists(PK) AND (attribute_not_exists(last_accessed_at) OR last_accessed_at < :at)"),
			ExpressionAttributeValues: row{
				":at": text(timestamp()), ":by": text(c.UserID.String()),
			},
			ReturnValues:                        types.ReturnValueAllNew,
			ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
		})
		var newer *types.ConditionalCheckFailedException
		if errors.As(err, &newer) {
			return nil
		}
		return err
	})
	second.Go(func() error {
		_, err := f.db.PutItem(ctx, &dynamodb.PutItemInput{
			TableName: &f.table, Item: event(c, "item.revealed", named{secret, textOf(read["SECRET#"+secret], "name")}, named{item, textOf(read["ITEM#"+item], "key")}, version),
			ConditionExpression: aws.String("attribute_not_exists(PK)"),
		})
		return err
	})
	return opened, second.Wait()
}

// value reads the key that asks, the secret, the item and the value together. It returns them by their sort keys.
func (f *floor) value(ctx context.Context, c secrets.Caller, secret, item string) (map[string]row, error) {
	out, err := f.db.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{f.table: {
		ConsistentRead: aws.Bool(true),
		Keys: []row{
			rowKey("PEOPLE#"+c.AccountID.String(), "KEY#"+c.KeyID.String()), rowKey(accountPK(c), "SECRET#"+secret),
			rowKey(secretPK(c, secret), "ITEM#"+item), rowKey(secretPK(c, secret), "VALUE#"+item),
		},
	}}})
	if err != nil {
		return nil, err
	}
	read := map[string]row{}
	for _, found := range out.Responses[f.table] {
		read[textOf(found, "SK")] = found
	}
	return read, nil
}

// textOf is a text of a row; empty: there is none.
func textOf(r row, name string) string {
	value, _ := r[name].(*types.AttributeValueMemberS)
	if value == nil {
		return ""
	}
	return value.Value
}

func (f *floor) charge(ctx context.Context, c secrets.Caller) (*dynamodb.UpdateItemOutput, error) {
	now := time.Since(counterEpoch).Milliseconds()
	return f.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &f.table, Key: rowKey(readsPK(c), "READS"),
		UpdateExpression:    aws.String("SET n = list_append(n, :now), d = o[0], p = :false, a = :at REMOVE o[0]"),
		ConditionExpression: aws.String("(w = l OR attribute_not_exists(w) AND l = :limit) AND o[0] <= :cutoff"),
		ExpressionAttributeValues: row{
			":now":    &types.AttributeValueMemberL{Value: []types.AttributeValue{number(now)}},
			":at":     number(now),
			":limit":  number(readLimit),
			":cutoff": number(now - readWindow.Milliseconds()),
			":false":  &types.AttributeValueMemberBOOL{},
		},
		ReturnValues:                        types.ReturnValueAllNew,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}, func(o *dynamodb.Options) { o.Retryer = aws.NopRetryer{} })
}

func (f *floor) rotate(ctx context.Context, c secrets.Caller, turn types.AttributeValue) error {
	_, err := f.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &f.table, Key: rowKey(readsPK(c), "READS"),
		UpdateExpression:    aws.String("SET o = list_append(o, n), n = :none, h = h + :one"),
		ConditionExpression: aws.String("h = :turn"),
		ExpressionAttributeValues: row{
			":none": &types.AttributeValueMemberL{Value: []types.AttributeValue{}}, ":one": number(1), ":turn": turn,
		},
	})
	return err
}

// list reads the secret and a page of 100 items.
func (f *floor) list(ctx context.Context, c secrets.Caller, secret string) ([]row, error) {
	var found *dynamodb.QueryOutput
	var g errgroup.Group
	g.Go(func() error { _, err := f.get(ctx, accountPK(c), "SECRET#"+secret); return err })
	g.Go(func() (err error) {
		found, err = f.db.Query(ctx, &dynamodb.QueryInput{
			TableName:              &f.table,
			KeyConditionExpression: aws.String("PK = :pk AND SK BETWEEN :low AND :high"),
			ExpressionAttributeValues: row{
				":pk": text(secretPK(c, secret)), ":low": text("ITEM#"), ":high": text("ITEM#~"),
			},
			ScanIndexForward: aws.Bool(true),
			ConsistentRead:   aws.Bool(true),
			Limit:            aws.Int32(101),
		})
		return err
	})
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return found.Items, nil
}

// create adds an item and returns its id.
func (f *floor) create(ctx context.Context, c secrets.Caller, secret, key, value string) (string, error) {
	parent, err := f.get(ctx, accountPK(c), "SECRET#"+secret)
	if err != nil {
		return "", err
	}
	item := uuid.Must(uuid.NewV7()).String()
	sealed, err := f.seal(ctx, associatedData(c, secret, item, "1"), value)
	if err != nil {
		return "", err
	}
	now, size, revision := timestamp(), entrySize(key, value), int64(30000)
	return item, f.transact(ctx,
		f.change(c, secret, row{":items": number(1), ":size": number(size), ":revision": number(1), ":checksum": number(revision)}),
		f.put(row{"PK": text(secretPK(c, secret)), "SK": text("KEY#" + key), "owner": text(item)}),
		f.put(row{
			"PK": text(secretPK(c, secret)), "SK": text("ITEM#" + item), "key": text(key), "version": number(1), "last_version": number(1),
			"revision": number(revision), "since": number(1), "history": history(1), "size": number(size), "created_at": text(now), "updated_at": text(now), "value_at": text(now),
		}),
		f.put(valueRow(c, secret, item, "1", sealed)),
		f.put(versionRow(c, secret, item, 1, sealed, now, size-int64(len(key)))),
		f.put(event(c, "item.created", named{secret, textOf(parent.Item, "name")}, named{item, key}, "1")),
	)
}

// change adds to the counters of a secret that no service uses.
func (f *floor) change(c secrets.Caller, secret string, sums row) types.TransactWriteItem {
	names, values := map[string]string{"#services": "services"}, row{":zero": number(0)}
	var adds []string
	for _, name := range []string{"items", "size", "revision", "checksum"} {
		if sum := sums[":"+name]; sum != nil {
			names["#"+name], values[":"+name] = name, sum
			adds = append(adds, "#"+name+" :"+name)
		}
	}
	return types.TransactWriteItem{Update: &types.Update{
		TableName: &f.table, Key: rowKey(accountPK(c), "SECRET#"+secret),
		UpdateExpression:          aws.String("ADD " + strings.Join(adds, ", ")),
		ConditionExpression:       aws.String("attribute_exists(PK) AND (attribute_not_exists(#services) OR #services = :zero)"),
		ExpressionAttributeNames:  names,
		ExpressionAttributeValues: values,
	}}
}

// entrySize returns an item's size in a JSON object, with quotes, a colon and a comma, if no
// character needs an escape.
func entrySize(key, value string) int64 { return int64(len(key) + len(value) + len(`"":"",`)) }

// update replaces an item's value.
func (f *floor) update(ctx context.Context, c secrets.Caller, secret, item, value string) error {
	var parent, old *dynamodb.GetItemOutput
	var g errgroup.Group
	g.Go(func() (err error) { parent, err = f.get(ctx, accountPK(c), "SECRET#"+secret); return err })
	g.Go(func() (err error) { old, err = f.get(ctx, secretPK(c, secret), "ITEM#"+item); return err })
	if err := g.Wait(); err != nil {
		return err
	}
	key, now := textOf(old.Item, "key"), timestamp()
	read, err := strconv.Atoi(old.Item["version"].(*types.AttributeValueMemberN).Value)
	if err != nil {
		return err
	}
	version := strconv.Itoa(read + 1)
	sealed, err := f.seal(ctx, associatedData(c, secret, item, version), value)
	if err != nil {
		return err
	}
	replaced := f.put(valueRow(c, secret, item, version, sealed))
	replaced.Put.ConditionExpression = aws.String("version = :read")
	replaced.Put.ExpressionAttributeValues = row{":read": number(int64(read))}
	return f.transact(ctx,
		f.change(c, secret, row{":revision": number(1), ":checksum": number(30000)}), // the size does not change
		types.TransactWriteItem{Update: &types.Update{
			TableName: &f.table, Key: rowKey(secretPK(c, secret), "ITEM#"+item),
			UpdateExpression: aws.String("SET #key = :key, version = :version, last_version = :last, revision = :revision, history = :history, " +
				"#size = :size, updated_at = :at, value_at = :value"),
			ConditionExpression:      aws.String("revision = :read"),
			ExpressionAttributeNames: map[string]string{"#key": "key", "#size": "size"},
			ExpressionAttributeValues: row{
				":read": old.Item["revision"], ":revision": number(60000), ":last": number(int64(read + 1)), ":history": history(read + 1), ":size": number(entrySize(key, value)),
				":key": text(key), ":version": number(int64(read + 1)), ":at": text(now), ":value": text(now),
			},
		}},
		replaced,
		f.put(versionRow(c, secret, item, read+1, sealed, now, entrySize(key, value)-int64(len(key)))),
		f.put(event(c, "item.updated", named{secret, textOf(parent.Item, "name")}, named{item, key}, version)),
	)
}

func (f *floor) get(ctx context.Context, pk, sk string) (*dynamodb.GetItemOutput, error) {
	return f.db.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &f.table, Key: rowKey(pk, sk), ConsistentRead: aws.Bool(true),
	})
}

func (f *floor) put(r row) types.TransactWriteItem {
	return types.TransactWriteItem{Put: &types.Put{
		TableName: &f.table, Item: r, ConditionExpression: aws.String("attribute_not_exists(PK)"),
	}}
}

func (f *floor) transact(ctx context.Context, writes ...types.TransactWriteItem) error {
	_, err := f.db.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{
		ClientRequestToken: aws.String(uuid.Must(uuid.NewV7()).String()), TransactItems: writes,
	})
	return err
}

func valueRow(c secrets.Caller, secret, item, version string, sealed []byte) row {
	return row{
		"PK": text(secretPK(c, secret)), "SK": text("VALUE#" + item),
		"version": &types.AttributeValueMemberN{Value: version}, "sealed": &types.AttributeValueMemberB{Value: sealed},
	}
}

// versionRow is a kept version, in a slot that is free.
func versionRow(c secrets.Caller, secret, item string, version int, sealed []byte, at string, size int64) row {
	r := valueRow(c, secret, item, strconv.Itoa(version), sealed)
	r["SK"] = text(fmt.Sprintf("VERSION#%s#%d", item, version-1))
	r["size"], r["created_at"], r["created_by"] = number(size), text(at), text(c.UserID.String())
	return r
}

// history has the size of an item's list of its versions: 4 bytes, and 3 for each.
func history(versions int) *types.AttributeValueMemberB {
	return &types.AttributeValueMemberB{Value: make([]byte, 4+3*versions)}
}

// named is an object of an event.
type named struct{ id, name string }

// eventDays is the template's default.
const eventDays = 400

// event returns a row of the audit trail, with the keys of its indexes. Its id is its time.
func event(c secrets.Caller, kind string, secret, item named, version string) row {
	account := c.AccountID.String()
	return row{
		"PK": text("EVENTS#" + account), "SK": text(uuid.Must(uuid.NewV7()).String()), "action": text(kind),
		"by_secret": text(account + "#" + secret.id), "by_user": text(account + "#" + c.UserID.String()),
		"user_name": text(c.UserName), "key_id": text(c.KeyID.String()), "key_name": text(c.KeyName),
		"source_ip": text(c.SourceIP), "user_agent": text(c.UserAgent), "request_id": text(c.RequestID),
		"secret_name": text(secret.name), "item_id": text(item.id), "item_key": text(item.name),
		"version":    &types.AttributeValueMemberN{Value: version},
		"expires_at": number(time.Now().Add(eventDays * 24 * time.Hour).Unix()),
	}
}

func associatedData(c secrets.Caller, secret, item, version string) map[string]string {
	return map[string]string{"account": c.AccountID.String(), "secret": secret, "item": item, "version": version}
}

// seal makes a blob of the size of an envelope: 3 bytes, the wrapped data key, a nonce, the
// ciphertext. The last two of the 3 bytes are the length of the wrapped key.
func (f *floor) seal(ctx context.Context, aad map[string]string, value string) ([]byte, error) {
	key, err := f.kms.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{
		KeyId: &f.masterKey, KeySpec: kmstypes.DataKeySpecAes256, EncryptionContext: aad,
	})
	if err != nil {
		return nil, err
	}
	aead, err := gcm(key.Plaintext)
	if err != nil {
		return nil, err
	}
	blob := binary.BigEndian.AppendUint16([]byte{0}, uint16(len(key.CiphertextBlob)))
	blob = append(blob, key.CiphertextBlob...)
	nonce := make([]byte, aead.NonceSize())
	rand.Read(nonce)
	return aead.Seal(append(blob, nonce...), nonce, []byte(value), nil), nil
}

func (f *floor) open(ctx context.Context, aad map[string]string, blob []byte) ([]byte, error) {
	if len(blob) < 3 {
		return nil, errors.New("the blob is too short")
	}
	wrapped := blob[3:][:binary.BigEndian.Uint16(blob[1:])]
	key, err := f.kms.Decrypt(ctx, &kms.DecryptInput{
		KeyId: &f.masterKey, CiphertextBlob: wrapped, EncryptionContext: aad,
	})
	if err != nil {
		return nil, err
	}
	aead, err := gcm(key.Plaintext)
	if err != nil {
		return nil, err
	}
	rest := blob[3+len(wrapped):]
	opened, err := aead.Open(nil, rest[:aead.NonceSize()], rest[aead.NonceSize():], nil)
	if err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	return opened, nil
}

func gcm(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}
