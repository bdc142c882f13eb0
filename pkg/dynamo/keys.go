package dynamo

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/google/uuid"

	"goblins-secrets/pkg/secrets"
)

// The table and its access patterns. The account is part of every primary key that has an id
// of a caller's request, so no id that a caller sends can address another account.
//
//	row            PK                   SK                       holds
//	account        ACCOUNT#<a>          ACCOUNT                  name, default secret, numbers of secrets and services
//	accounts       ACCOUNTS             <a>                      the table's format: the list of accounts
//	account name   ACCOUNTNAME#<sha256> ACCOUNTNAME              its account: the name is taken
//	secret         ACCOUNT#<a>          SECRET#<s>               name, is_default, numbers of items and services,
//	                                                             size, revision, delivered revision, its bundle, the
//	                                                             last read of all items
//	secret name    ACCOUNT#<a>          NAME#<sha256>            its secret: the name is taken
//	service        ACCOUNT#<a>          SERVICE#<v>              name, image, port, config, secret, times
//	service name   ACCOUNT#<a>          SERVICENAME#<name>       its service: the name is taken
//	item           SECRET#<a>#<s>       ITEM#<i>                 key, version, revision, history, size, times, last access:
//	                                                             under 1 KB
//	item key       SECRET#<a>#<s>       KEY#<key>                its item: the key is taken
//	value          SECRET#<a>#<s>       VALUE#<i>                the current version, sealed blob
//	version        SECRET#<a>#<s>       VERSION#<i>#<slot>       a version, sealed blob, by whom, when; the current one too
//	deleted item   SECRET#<a>#<s>       BIN#<i>                  what the item's row had; its secret's name; by whom, when,
//	                                                             until when
//	deleted secret BIN#<a>              SECRET#<s>               what the secret's row had; by whom, when, until when
//	use            SECRET#<a>#<s>       USE#<v>                  a service that uses the secret: a copy of it
//	delivery       DELIVERY#<a>#<s>     DELIVERY                 the lease: fencing token, expiry; times of the newest
//	                                                             versions at the target; the last error
//	outbox         OUTBOX               <a>#<s>                  a change that waits for its delivery: its time
//	used           USED                 <a>#<s>                  a secret that services use
//	round          ROUND                <name>                   how far a function is that goes round USED
//	purge          PURGE                <due>#<a>#<s>#<e>        a deleted secret, or its deleted items: what to remove then
//	event          EVENTS#<a>           <e>                      an entry of the audit trail, never changed; expires_at (TTL)
//	refused tries  REFUSED#<a>          <e>                      of one key, outcome, action and minute: the latest, when the
//	                                                             first was, and their number; expires_at (TTL)
//	token          IDEMPOTENCY#<a>#<u>  <sha256>                 of an idempotency key: MAC of its request, what was done;
//	                                                             expires_at (TTL)
//	people         PEOPLE#<a>           PEOPLE                   numbers of users, keys, and keys with admin for ever
//	user           PEOPLE#<a>           USER#<u>                 kind, name, email, rights, own limit, its keys, revision
//	key            PEOPLE#<a>           KEY#<k>                  its user, name, rights, a copy of its user's name and
//	                                                             rights, times, revision: under 4 KB
//	made           PEOPLE#<a>           MADE#<k>#<k>             the first key made the second, whose user; stays after both
//	key's pointer  APIKEY#<sha256>      APIKEY                   account and id of the key with this text
//	read counter   USER#<a>#<u>         READS                    limits; both ends of the queue of the newest reveals;
//	                                                             made and deleted with the user
//	its blocks     USER#<a>#<u>         READS#<g>#<i>            the middle of queue g; READS#<g> is the end of one that
//	                                                             was replaced by a shorter one: see counter.go
//
// Two indexes have events only, whole, sorted by SK: by_secret ("<a>#<s>") and by_user ("<a>#<u>").
//
// <a>, <s>, <v>, <i>, <e>, <u> are UUIDs, version 7 where order matters: a list is
// ordered by creation without an index. Names are hashed because 255 characters can
// exceed the limit of a sort key (1,024 bytes). The delivery has a partition of its own,
// so that IAM keeps the deliverer from writing items. So have users and keys, which only the functions for them may
// write, and deleted secrets, so that the purge can't change others.
//
//	access pattern                          call
//	whose key it is, and what it may do     GetItem key's pointer; GetItem key; UpdateItem key, its use
//	a page of users or keys, their number   Query PEOPLE#<a> from USER# or KEY#<cursor>; GetItem people
//	a user; a user's keys; keys by ids      GetItem user; BatchGetItem keys
//	what keys made                          Query PEOPLE#<a> from MADE#
//	an account, by its name                 GetItem account name
//	secrets by ids                          BatchGetItem secrets
//	a page of secrets, and their number     Query ACCOUNT#<a> from SECRET#<cursor>; GetItem account
//	a secret                                GetItem secret
//	a page of items, and their number       Query SECRET#<a>#<s> from ITEM#<cursor>; GetItem secret
//	a page of services, and their number    Query ACCOUNT#<a> from SERVICE#<cursor>; GetItem account
//	a secret's services, and their number   Query SECRET#<a>#<s> from USE#<cursor>; GetItem secret
//	a service; the default secret           GetItem service; GetItem account
//	a secret or a service, by its name      GetItem secret name or service name; GetItem secret or service
//	an item that can be reached             GetItem item; GetItem secret
//	items that can be reached, by keys      BatchGetItem secret, item keys; BatchGetItem items
//	an item's versions; one of them         Query SECRET#<a>#<s> from VERSION#<i>; GetItem version
//	an older value that a key may reach     BatchGetItem key, secret, item; GetItem version
//	the bin of an account or a secret       Query BIN#<a>, or SECRET#<a>#<s> from BIN#<cursor>; and again for their number
//	a deleted secret or item                GetItem BIN#
//	whether a secret is gone for good       TransactWriteItems, which checks secret and deleted secret, and writes nothing
//	a sealed value that a key may reach     BatchGetItem key, secret, item, value
//	charge a reveal                         UpdateItem read counter, on condition; GetItem block, if the window
//	                                        begins there
//	rotate the queue of reveals             UpdateItem block; GetItem block; UpdateItem read counter, on condition
//	give the queue another limit            GetItem blocks; UpdateItem blocks; UpdateItem read counter, on condition
//	what is left of a user's budget         GetItem read counter; GetItem block, if the window begins there
//	stamp a reveal                          UpdateItem item, on condition
//	what to deliver                         the stream's records of OUTBOX; Query OUTBOX
//	a round through the used secrets        GetItem round; Query USED after one of them
//	all items of a secret and their values  Query SECRET#<a>#<s> from ITEM#; from VALUE#
//	what is due; what is in it              Query PURGE to now; Query SECRET#<a>#<s>, or from VERSION#<i>
//	what was done for an idempotency key    GetItem token
//	all accounts; the table's format        Query ACCOUNTS; Query ACCOUNTS, one row
//
//	events of an account, a secret, a user  Query EVENTS#<a>, by_secret or by_user between two ids
//	refused tries                           Query REFUSED#<a> between two ids
//	count a refused try                     UpdateItem refused tries
//
// All reads are strongly consistent, but for those of indexes. Nothing scans the table.

// key is the primary key that every row has.
type key struct {
	PK string `dynamodbav:"PK"`
	SK string `dynamodbav:"SK"`
}

const (
	secretPrefix  = "SECRET#"
	itemPrefix    = "ITEM#"
	valuePrefix   = "VALUE#"
	versionPrefix = "VERSION#"
	binPrefix     = "BIN#"
	servicePrefix = "SERVICE#"
	usePrefix     = "USE#"
	userPrefix    = "USER#"
	keyPrefix     = "KEY#"
	madePrefix    = "MADE#"
	purgesPK      = "PURGE"
	accountsPK    = "ACCOUNTS"
	outboxPK      = "OUTBOX"
	usedPK        = "USED"
)

func accountPK(account uuid.UUID) string { return "ACCOUNT#" + account.String() }

func secretPK(account, secret uuid.UUID) string {
	return "SECRET#" + account.String() + "#" + secret.String()
}

func accountKey(account uuid.UUID) key  { return key{accountPK(account), "ACCOUNT"} }
func accountsKey(account uuid.UUID) key { return key{accountsPK, account.String()} }
func accountNameKey(name string) key    { return key{"ACCOUNTNAME#" + hash(name), "ACCOUNTNAME"} }
func secretKey(account, secret uuid.UUID) key {
	return key{accountPK(account), secretPrefix + secret.String()}
}

func secretNameKey(account uuid.UUID, name string) key {
	return key{accountPK(account), "NAME#" + hash(name)}
}

func itemKey(account, secret, item uuid.UUID) key {
	return key{secretPK(account, secret), itemPrefix + item.String()}
}

func itemKeyKey(account, secret uuid.UUID, text string) key {
	return key{secretPK(account, secret), keyPrefix + text}
}

func valueKey(account, secret, item uuid.UUID) key {
	return key{secretPK(account, secret), valuePrefix + item.String()}
}

func versionKey(account, secret, item uuid.UUID, slot int) key {
	return key{secretPK(account, secret), fmt.Sprintf("%s%s#%d", versionPrefix, item, slot)}
}

func binPK(account uuid.UUID) string { return binPrefix + account.String() }

func deletedSecretKey(account, secret uuid.UUID) key {
	return key{binPK(account), secretPrefix + secret.String()}
}

func deletedItemKey(account, secret, item uuid.UUID) key {
	return key{secretPK(account, secret), binPrefix + item.String()}
}

func serviceKey(account, service uuid.UUID) key {
	return key{accountPK(account), servicePrefix + service.String()}
}

func serviceNameKey(account uuid.UUID, name string) key {
	return key{accountPK(account), "SERVICENAME#" + name}
}

func useKey(account, secret, service uuid.UUID) key {
	return key{secretPK(account, secret), usePrefix + service.String()}
}

func leaseKey(account, secret uuid.UUID) key {
	return key{"DELIVERY#" + account.String() + "#" + secret.String(), "DELIVERY"}
}

func entryKey(account, secret uuid.UUID) key {
	return key{outboxPK, account.String() + "#" + secret.String()}
}

func usedKey(account, secret uuid.UUID) key {
	return key{usedPK, account.String() + "#" + secret.String()}
}

func roundKey(name string) key { return key{"ROUND", name} }

func purgeKey(p secrets.Purge) key {
	return key{purgesPK, fmt.Sprintf("%s#%s#%s#%s", timeText(p.Due), p.AccountID, p.SecretID, p.ID)}
}

func eventsPK(account uuid.UUID) string  { return "EVENTS#" + account.String() }
func refusedPK(account uuid.UUID) string { return "REFUSED#" + account.String() }

func eventKey(account, event uuid.UUID) key   { return key{eventsPK(account), event.String()} }
func refusedKey(account, event uuid.UUID) key { return key{refusedPK(account), event.String()} }

func peoplePK(account uuid.UUID) string { return "PEOPLE#" + account.String() }

func peopleKey(account uuid.UUID) key     { return key{peoplePK(account), "PEOPLE"} }
func userKey(account, user uuid.UUID) key { return key{peoplePK(account), userPrefix + user.String()} }
func keyKey(account, k uuid.UUID) key     { return key{peoplePK(account), keyPrefix + k.String()} }

func madeKey(account, maker, made uuid.UUID) key {
	return key{peoplePK(account), madePrefix + maker.String() + "#" + made.String()}
}

func tokenKey(account, user uuid.UUID, name string) key {
	return key{"IDEMPOTENCY#" + account.String() + "#" + user.String(), name}
}

func apiKeyKey(h secrets.KeyHash) key { return key{"APIKEY#" + hex.EncodeToString(h[:]), "APIKEY"} }

func revealsKey(account, user uuid.UUID) key {
	return key{"USER#" + account.String() + "#" + user.String(), "READS"}
}

func revealsBlockKey(account, user uuid.UUID, queue int64, block int) key {
	return key{revealsKey(account, user).PK, fmt.Sprintf("READS#%d#%d", queue, block)}
}

func revealsKeptKey(account, user uuid.UUID, queue int64) key {
	return key{revealsKey(account, user).PK, fmt.Sprintf("READS#%d", queue)}
}

func hash(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:])
}

// lastID decodes the UUID at the end of a part of a key, and returns the part before its
// "#".
func lastID(part string) (id uuid.UUID, before string, err error) {
	const size = 36
	if len(part) < size+1 {
		return id, "", fmt.Errorf("key %q ends in no id", part)
	}
	cut := len(part) - size
	if id, err = uuid.Parse(part[cut:]); err != nil {
		return id, "", fmt.Errorf("key %q: %w", part, err)
	}
	return id, part[:cut-1], nil
}
