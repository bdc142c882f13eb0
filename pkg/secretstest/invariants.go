package secretstest

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/google/uuid"
)

// Row is a row of the table, read without the product's code.
type Row map[string]any

func (r Row) text(name string) string { s, _ := r[name].(string); return s }

func (r Row) number(name string) int { n, _ := r[name].(float64); return int(n) }

// Rows reads the whole table.
func (tb *Table) Rows(t testing.TB) []Row {
	t.Helper()
	var rows []Row
	pages := dynamodb.NewScanPaginator(tb.Client, &dynamodb.ScanInput{TableName: &tb.Name, ConsistentRead: aws.Bool(true)})
	for pages.HasMorePages() {
		out, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range out.Items {
			var row Row
			if err := attributevalue.UnmarshalMap(item, &row); err != nil {
				t.Fatal(err)
			}
			rows = append(rows, row)
		}
	}
	return rows
}

// Check walks the table and reports every broken invariant: a wrong counter, a name or key
// without its owner or an owner without its marker, an item without its value or a value
// without its item, a version without its row or a row without its version, a version without an event, an orphan, a
// row in the bin without its purge. A claim in the bin excuses only the children that it names.
func (tb *Table) Check(t testing.TB) {
	t.Helper()
	for _, contradiction := range Contradictions(tb.Rows(t)) {
		t.Error(contradiction)
	}
}

// Contradictions returns the broken invariants of rows.
func Contradictions(rows []Row) (found []string) {
	c := &checker{
		rows: make(map[string]Row), children: make(map[string][]Row), versions: make(map[string]int), written: make(map[string]map[int]bool),
	}
	for _, row := range rows {
		pk, sk := row.text("PK"), row.text("SK")
		c.rows[pk+"|"+sk] = row
		c.children[pk] = append(c.children[pk], row)
		if strings.HasPrefix(sk, "VERSION#") {
			c.versions[pk+"|"+sk[:strings.LastIndex(sk, "#")]]++
		}
		if strings.HasPrefix(pk, "EVENTS#") {
			c.write(strings.TrimPrefix(pk, "EVENTS#"), row)
		}
	}
	for _, row := range rows {
		c.check(row.text("PK"), row.text("SK"), row)
	}
	return c.found
}

// bySystem are events without a user: only IAM knows the operator who creates an account,
// and the system makes deliveries.
var bySystem = map[string]bool{
	"account.created": true, "account.requeued": true, "secret.deployed": true, "secret.undeployed": true, "secret.drifted": true,
	"secret.purged": true, "item.purged": true,
}

type checker struct {
	rows     map[string]Row          // by PK|SK
	children map[string][]Row        // by PK
	versions map[string]int          // number of an item's versions, by PK|VERSION#<i>
	written  map[string]map[int]bool // versions that events say were written, by account#item
	found    []string
}

func (c *checker) report(row Row, format string, args ...any) {
	c.found = append(c.found, fmt.Sprintf("%s | %s: ", row.text("PK"), row.text("SK"))+fmt.Sprintf(format, args...))
}

// must returns a row, and reports it if it is missing.
func (c *checker) must(row Row, pk, sk string) Row {
	other, ok := c.rows[pk+"|"+sk]
	if !ok {
		c.report(row, "there is no %s | %s", pk, sk)
	}
	return other
}

func (c *checker) count(pk, prefix string) (n int) {
	for _, row := range c.children[pk] {
		if strings.HasPrefix(row.text("SK"), prefix) {
			n++
		}
	}
	return n
}

func (c *checker) check(pk, sk string, row Row) {
	kind, rest, _ := strings.Cut(pk, "#")
	switch kind {
	case "ACCOUNT":
		c.checkAccount(pk, sk, rest, row)
	case "SECRET":
		account, secret, _ := strings.Cut(rest, "#")
		if c.secret(row, account, secret)["claimed"] != true {
			c.checkChild(pk, sk, account, secret, row)
		}
	case "DELIVERY":
		account, secret, _ := strings.Cut(rest, "#")
		c.secret(row, account, secret)
	case "BIN":
		if _, exists := c.rows["ACCOUNT#"+rest+"|"+sk]; exists {
			c.report(row, "its secret is there")
		}
		secret := strings.TrimPrefix(sk, "SECRET#")
		c.checkDeleted(row, rest, secret, "")
		if row["claimed"] != true {
			c.checkChildren(rest, secret, row)
		}
	case "ACCOUNTS":
		c.must(row, "ACCOUNT#"+sk, "ACCOUNT")
		if row.number("format") != 6 {
			c.report(row, "has format %d", row.number("format"))
		}
	case "ACCOUNTNAME":
		if account := c.must(row, "ACCOUNT#"+row.text("owner"), "ACCOUNT"); hash(account.text("name")) != rest {
			c.report(row, "its account has another name")
		}
	case "APIKEY":
		if key := c.must(row, "PEOPLE#"+row.text("account_id"), "KEY#"+row.text("id")); fmt.Sprintf("%x", key["hash"]) != rest {
			c.report(row, "its key has another hash")
		}
	case "PEOPLE":
		c.checkPeople(pk, sk, rest, row)
	case "PURGE":
		if ids := strings.Split(sk, "#"); len(ids) == 4 {
			c.must(row, "ACCOUNT#"+ids[1], "ACCOUNT")
		} else {
			c.report(row, "its key is no time and three ids")
		}
	case "EVENTS":
		c.must(row, "ACCOUNT#"+rest, "ACCOUNT")
		action := row.text("action")
		if action == "" {
			c.report(row, "has no action")
		}
		byOperator := row.text("by_user") == "" && (action == "key.created" || action == "key.deleted")
		for _, name := range []string{"by_user", "user_name", "key_id", "key_name", "source_ip", "request_id"} {
			if (row.text(name) == "") != byOperator && !bySystem[action] {
				c.report(row, "has %s = %q", name, row.text(name))
			}
		}
		for id, name := range map[string]string{
			"by_secret": "secret_name", "item_id": "item_key", "service_id": "service_name", "subject_user_id": "subject_user_name",
			"subject_key_id": "subject_key_name",
		} {
			if (row.text(id) == "") != (row.text(name) == "") {
				c.report(row, "has %s = %q, %s = %q", id, row.text(id), name, row.text(name))
			}
		}
		for _, index := range []string{"by_secret", "by_user"} {
			if row.text(index) != "" && !strings.HasPrefix(row.text(index), rest+"#") {
				c.report(row, "is in %s of another account", index)
			}
		}
		if row.text("subject_user_id") == "" {
			c.checkFrom(row)
		}
	case "REFUSED":
		c.must(row, "ACCOUNT#"+rest, "ACCOUNT")
		for _, name := range []string{"action", "outcome", "user_id", "key_id", "first", "last"} {
			if row.text(name) == "" {
				c.report(row, "has no %s", name)
			}
		}
		if row.number("tries") < 1 || row.text("by_user") != "" || row.text("by_secret") != "" {
			c.report(row, "counts %d tries, in indexes %q %q", row.number("tries"), row.text("by_user"), row.text("by_secret"))
		}
	case "OUTBOX":
		account, _, _ := strings.Cut(sk, "#")
		c.must(row, "ACCOUNT#"+account, "ACCOUNT")
	case "USED":
		account, secret, _ := strings.Cut(sk, "#")
		if c.must(row, "ACCOUNT#"+account, "SECRET#"+secret).number("services") == 0 {
			c.report(row, "no service uses its secret")
		}
	case "IDEMPOTENCY":
		account, _, _ := strings.Cut(rest, "#")
		c.must(row, "ACCOUNT#"+account, "ACCOUNT")
		if row.text("mac") == "" || row["expires_at"] == nil {
			c.report(row, "has no MAC or no end")
		}
	case "ROUND":
	case "USER":
		account, user, _ := strings.Cut(rest, "#")
		if _, exists := c.rows["PEOPLE#"+account+"|USER#"+user]; !exists && sk == "READS" {
			c.report(row, "its user is gone")
		}
	default:
		c.report(row, "a row of no known kind")
	}
}

func (c *checker) checkPeople(pk, sk, account string, row Row) {
	kind, rest, _ := strings.Cut(sk, "#")
	switch kind {
	case "PEOPLE":
		c.must(row, "ACCOUNT#"+account, "ACCOUNT")
		admins := 0
		for _, key := range c.children[pk] {
			permissions := func(name string) bool { return slices.Contains(strings.Split(key.text(name), ","), "admin") }
			if key["invitation"] != true && key.text("valid_until") == "" && permissions("permissions") && permissions("user_permissions") {
				admins++
			}
		}
		for name, n := range map[string]int{"users": c.count(pk, "USER#"), "keys": c.count(pk, "KEY#"), "admins": admins} {
			if n != row.number(name) {
				c.report(row, "counts %d %s, there are %d", row.number(name), name, n)
			}
		}
		if admins == 0 {
			c.report(row, "no key with admin is left")
		}
		c.checkHistory(account, row)
	case "USER":
		c.must(row, "USER#"+account+"#"+rest, "READS")
		if counter := c.rows["USER#"+account+"#"+rest+"|READS"]; counter.number("w") != row.number("reveal_limit") {
			c.report(row, "its reveal limit is %d, its counter's %d", row.number("reveal_limit"), counter.number("w"))
		}
		ids := ids(row["key_ids"])
		for _, id := range ids {
			if key := c.must(row, pk, "KEY#"+id); key.text("user_id") != rest {
				c.report(row, "key %s is another user's", id)
			}
		}
		owned := 0
		for _, key := range c.children[pk] {
			if strings.HasPrefix(key.text("SK"), "KEY#") && key.text("user_id") == rest {
				owned++
			}
		}
		if owned != len(ids) || owned > 20 {
			c.report(row, "lists %d keys, has %d", len(ids), owned)
		}
	case "KEY":
		user := c.must(row, pk, "USER#"+row.text("user_id"))
		for copied, of := range map[string]string{"user_kind": "kind", "user_name": "name", "user_permissions": "permissions", "user_secrets": "secrets"} {
			if !reflect.DeepEqual(row[copied], user[of]) {
				c.report(row, "its %s is not its user's", copied)
			}
		}
		c.must(row, fmt.Sprintf("APIKEY#%x", row["hash"]), "APIKEY")
		if maker := row.text("made_by"); maker != "" {
			c.must(row, pk, "MADE#"+maker+"#"+rest)
		}
	case "MADE":
	default:
		c.report(row, "a row of no known kind")
	}
}

// checkHistory compares an account's users and keys with the events about them: each change is exactly one, and
// says what it replaced. Writes of a user and its keys are in the order of their events, because each rests on the
// revision that the one before left.
func (c *checker) checkHistory(account string, people Row) {
	pk := "PEOPLE#" + account
	events := slices.Clone(c.children["EVENTS#"+account])
	slices.SortFunc(events, func(a, b Row) int { return strings.Compare(a.text("SK"), b.text("SK")) })
	created, ended := map[string]int{}, map[string]int{}
	revisions, names := map[string]int{}, map[string]string{}
	owned := map[string][]string{} // all keys that a user has had
	for _, ev := range events {
		user, key := ev.text("subject_user_id"), ev.text("subject_key_id")
		if user == "" {
			continue
		}
		from, _ := ev["from"].(map[string]any)
		var changed []string
		for _, field := range anys(ev["changed"]) {
			changed = append(changed, fmt.Sprint(field))
		}
		subject, name := "USER#"+user, ev.text("subject_user_name")
		if key != "" {
			subject, name = "KEY#"+key, ev.text("subject_key_name")
		}
		switch kind := ev.text("action"); kind {
		case "account.created":
			created["USER#"+user]++
			created["KEY#"+key]++
			owned[user] = append(owned[user], "KEY#"+key)
		case "user.created":
			created[subject]++
		case "key.created":
			created[subject]++
			owned[user] = append(owned[user], subject)
			revisions["USER#"+user]++
			if invitation, exchanged := from["invitation"].(string); exchanged {
				ended["KEY#"+invitation]++
			}
		case "key.deleted":
			ended[subject]++
			revisions["USER#"+user]++
		case "user.deleted":
			ended[subject]++
			for _, k := range owned[user] {
				if ended[k] == 0 {
					ended[k]++
				}
			}
		case "user.updated", "key.updated":
			revisions[subject]++
			to, _ := ev["to"].(map[string]any)
			fields := slices.Sorted(maps.Keys(from))
			if !slices.Equal(changed, fields) || !slices.Equal(fields, slices.Sorted(maps.Keys(to))) || len(changed) == 0 {
				c.report(ev, "it changed %v, replaced %v, and gave %v", changed, from, to)
			}
			former, renamed := from["name"]
			if known, ok := names[subject]; ok && (renamed && former != known || renamed == (name == known)) {
				c.report(ev, "it replaced the name %v, which was %q", former, known)
			}
			if kind == "user.updated" && slices.ContainsFunc(changed, func(f string) bool { return f == "name" || f == "permissions" || f == "secrets" }) {
				for _, k := range owned[user] {
					revisions[k]++
				}
			}
		default:
			c.report(ev, "an event about a user or key")
		}
		if ev.text("action") != "account.created" {
			names[subject] = name
		}
	}
	for subject, n := range created {
		row, exists := c.rows[pk+"|"+subject]
		if want := map[bool]int{true: 0, false: 1}[exists]; n != 1 || ended[subject] != want {
			c.report(people, "%s was created %d times and ended %d times, there: %v", subject, n, ended[subject], exists)
		}
		if exists && row.number("revision") != revisions[subject] {
			c.report(row, "its revision is %d after %d events", row.number("revision"), revisions[subject])
		}
		if known, ok := names[subject]; exists && ok && known != row.text("name") {
			c.report(row, "its last event has the name %q", known)
		}
	}
	for _, row := range c.children[pk] {
		if sk := row.text("SK"); created[sk] == 0 && (strings.HasPrefix(sk, "USER#") || strings.HasPrefix(sk, "KEY#")) {
			c.report(row, "no event created it")
		}
	}
}

// anys is a list attribute, of either type.
func anys(v any) (list []any) {
	switch v := v.(type) {
	case []any:
		return v
	case []string:
		for _, x := range v {
			list = append(list, x)
		}
	}
	return list
}

// ids decodes a packed list of ids.
func ids(packed any) (ids []string) {
	raw, _ := packed.([]byte)
	for id := range slices.Chunk(raw, 16) {
		ids = append(ids, uuid.UUID(id).String())
	}
	return ids
}

func (c *checker) checkAccount(pk, sk, account string, row Row) {
	kind, rest, _ := strings.Cut(sk, "#")
	switch kind {
	case "ACCOUNT":
		if n := c.count(pk, "SECRET#"); n != row.number("secrets") {
			c.report(row, "counts %d secrets, there are %d", row.number("secrets"), n)
		}
		if n := c.count(pk, "SERVICE#"); n != row.number("services") {
			c.report(row, "counts %d services, there are %d", row.number("services"), n)
		}
		if def := c.must(row, pk, "SECRET#"+row.text("default_secret_id")); def["is_default"] != true {
			c.report(row, "its default secret is not marked as default")
		}
		c.must(row, "ACCOUNTS", account)
		if name := c.must(row, "ACCOUNTNAME#"+hash(row.text("name")), "ACCOUNTNAME"); name.text("owner") != account {
			c.report(row, "its name belongs to another")
		}
	case "SECRET":
		parent := c.must(row, pk, "ACCOUNT")
		if isDefault := row["is_default"] == true; isDefault != (parent.text("default_secret_id") == rest) {
			c.report(row, "is_default is %v", isDefault)
		}
		c.checkChildren(account, rest, row)
		if name := c.must(row, pk, "NAME#"+hash(row.text("name"))); name.text("owner") != rest {
			c.report(row, "its name belongs to another")
		}
		c.checkUse(account, rest, row)
	case "SERVICE":
		if name := c.must(row, pk, "SERVICENAME#"+row.text("name")); name.text("owner") != rest {
			c.report(row, "its name belongs to another")
		}
		c.same(row, c.must(row, "SECRET#"+account+"#"+row.text("secret_id"), "USE#"+rest))
	case "SERVICENAME":
		if service := c.must(row, pk, "SERVICE#"+row.text("owner")); service.text("name") != rest {
			c.report(row, "its service has another name")
		}
	case "NAME":
		if secret := c.must(row, pk, "SECRET#"+row.text("owner")); hash(secret.text("name")) != rest {
			c.report(row, "its secret has another name")
		}
	default:
		c.report(row, "a row of no known kind")
	}
}

func (c *checker) checkChild(pk, sk, account, secret string, row Row) {
	kind, rest, _ := strings.Cut(sk, "#")
	switch kind {
	case "ITEM":
		if key := c.must(row, pk, "KEY#"+row.text("key")); key.text("owner") != rest {
			c.report(row, "its key belongs to another")
		}
		if value := c.must(row, pk, "VALUE#"+rest); value.number("version") != row.number("version") {
			c.report(row, "is at version %d, its value at %d", row.number("version"), value.number("version"))
		}
		c.checkVersions(pk, rest, row)
		c.checkWritten(account, rest, row)
	case "BIN":
		if _, exists := c.rows[pk+"|ITEM#"+rest]; exists {
			c.report(row, "its item is there")
		}
		c.checkDeleted(row, account, secret, rest)
		if row["claimed"] != true {
			c.checkVersions(pk, rest, row)
			c.checkWritten(account, rest, row)
		}
	case "VERSION":
		item, slot, _ := strings.Cut(rest, "#")
		of, exists := c.rows[pk+"|ITEM#"+item]
		if !exists {
			of = c.must(row, pk, "BIN#"+item)
		}
		if kept := slots(of); of["claimed"] != true && kept[slot] != row.number("version") {
			c.report(row, "it has version %d, and its item's history is %v", row.number("version"), kept)
		}
	case "KEY":
		if item := c.must(row, pk, "ITEM#"+row.text("owner")); item.text("key") != rest {
			c.report(row, "its item has another key")
		}
	case "VALUE":
		c.must(row, pk, "ITEM#"+rest)
	case "USE":
		if service := c.must(row, "ACCOUNT#"+account, "SERVICE#"+rest); service.text("secret_id") != secret {
			c.report(row, "its service uses another secret")
		}
	default:
		c.report(row, "a row of no known kind")
	}
}

// secret returns the row of a secret, or the one that it has in the bin.
func (c *checker) secret(row Row, account, secret string) Row {
	if deleted, exists := c.rows["BIN#"+account+"|SECRET#"+secret]; exists {
		return deleted
	}
	return c.must(row, "ACCOUNT#"+account, "SECRET#"+secret)
}

// checkDeleted finds the purge of a secret, or of an item, that is in the bin.
func (c *checker) checkDeleted(row Row, account, secret, item string) {
	for _, purge := range c.children["PURGE"] {
		items := anys(purge["items"])
		if strings.HasPrefix(purge.text("SK"), row.text("due")+"#"+account+"#"+secret+"#") &&
			(item == "" && len(items) == 0 || slices.Contains(items, any(item))) {
			return
		}
	}
	c.report(row, "no purge removes it")
}

// checkChildren compares a secret's counters with the rows of its items.
func (c *checker) checkChildren(account, secret string, row Row) {
	sums := map[string]int{"items": 0, "size": 0, "checksum": 0}
	for _, child := range c.children["SECRET#"+account+"#"+secret] {
		if strings.HasPrefix(child.text("SK"), "ITEM#") {
			sums["items"]++
			sums["size"] += child.number("size")
			sums["checksum"] += child.number("revision")
		}
	}
	for name, sum := range sums {
		if sum != row.number(name) {
			c.report(row, "its %s is %d, that of its items %d", name, row.number(name), sum)
		}
	}
}

// checkVersions compares an item's history with the rows of its versions.
func (c *checker) checkVersions(pk, item string, row Row) {
	kept := slots(row)
	if n := c.versions[pk+"|VERSION#"+item]; n != len(kept) {
		c.report(row, "its history is %v, and it has %d versions", kept, n)
	}
	isCurrent := false
	for slot, version := range kept {
		if of := c.must(row, pk, "VERSION#"+item+"#"+slot); version == row.number("version") {
			isCurrent = true
			if value, exists := c.rows[pk+"|VALUE#"+item]; exists && !reflect.DeepEqual(of["sealed"], value["sealed"]) {
				c.report(row, "its current version is not its value")
			}
		}
	}
	if !isCurrent {
		c.report(row, "its history %v lacks its version %d", kept, row.number("version"))
	}
}

// slots are the versions of an item by slot, as its history says: the highest number, an hour, and for each version
// what its number lacks to the highest, its slot and an age.
func slots(row Row) map[string]int {
	raw, _ := row["history"].([]byte)
	number := func() int {
		n, size := binary.Uvarint(raw)
		raw = raw[max(size, 0):]
		return int(n)
	}
	highest := number()
	number()
	kept := map[string]int{}
	for len(raw) > 2 {
		version := highest - number()
		kept[fmt.Sprint(raw[0])] = version
		raw = raw[2:]
	}
	return kept
}

// checkUse compares a secret's counters with the rows of its services. A secret
// whose current bundle differs from the table has an outbox entry.
func (c *checker) checkUse(account, secret string, row Row) {
	children := "SECRET#" + account + "#" + secret
	if n := c.count(children, "USE#"); n != row.number("services") {
		c.report(row, "counts %d services, %d use it", row.number("services"), n)
	}
	delivered := row.number("delivered")
	if delivered > row.number("revision") {
		c.report(row, "revision %d is delivered, and it is at %d", delivered, row.number("revision"))
	}
	if row.number("services") > 0 {
		c.must(row, "USED", account+"#"+secret)
	}
	_, queued := c.rows["OUTBOX|"+account+"#"+secret]
	if row["drifted"] == true && !queued {
		c.report(row, "it has drifted, and is not in the outbox")
	}
	if used := row.number("services") > 0; !queued && (used && delivered != row.number("revision") || !used && delivered != 0) {
		c.report(row, "it is not in the outbox, but of revision %d, used by %d services, %d is delivered", row.number("revision"), row.number("services"), delivered)
	}
}

// same reports the differences of two rows, except their keys.
func (c *checker) same(row, other Row) {
	names := maps.Clone(row)
	maps.Copy(names, other)
	for name := range names {
		if name != "PK" && name != "SK" && !reflect.DeepEqual(row[name], other[name]) {
			c.report(row, "%s | %s has another %s", other.text("PK"), other.text("SK"), name)
		}
	}
}

// write notes the versions that an event says were written.
func (c *checker) write(account string, ev Row) {
	note := func(item string, version int) {
		of := c.written[account+"#"+item]
		if of == nil {
			of = make(map[int]bool)
			c.written[account+"#"+item] = of
		}
		of[version] = true
	}
	switch ev.text("action") {
	case "item.created", "item.updated":
		note(ev.text("item_id"), ev.number("version"))
	case "items.changed":
		for item, version := range members(ev) {
			note(item, version)
		}
	}
}

// checkWritten finds the event of each version of an item.
func (c *checker) checkWritten(account, item string, row Row) {
	for version := 1; version <= row.number("last_version"); version++ {
		if !c.written[account+"#"+item][version] {
			c.report(row, "version %d has no event", version)
		}
	}
}

// members are the items of an event about several, with their versions: uvarints in the order of the sorted ids.
func members(ev Row) map[string]int {
	versions, _ := ev["item_versions"].([]byte)
	found := map[string]int{}
	for _, id := range memberIDs(ev) {
		n, size := binary.Uvarint(versions)
		versions, found[id] = versions[max(size, 0):], int(n)
	}
	return found
}

func memberIDs(ev Row) (ids []string) {
	list, _ := ev["item_ids"].([][]byte)
	slices.SortFunc(list, bytes.Compare)
	for _, id := range list {
		ids = append(ids, uuid.UUID(id).String())
	}
	return ids
}

// checkFrom checks what an event says was replaced: another name that an earlier event gave to the same
// object.
func (c *checker) checkFrom(row Row) {
	replaced, _ := row["from"].(map[string]any)
	for field, former := range replaced {
		if field == "version" {
			continue
		}
		if field == "secret" {
			if strings.HasSuffix(row.text("by_secret"), "#"+fmt.Sprint(former)) {
				c.report(row, "it moved from where it is")
			}
			continue
		}
		if former == ownName(row) {
			c.report(row, "its %s was the same before", field)
		}
		given := slices.ContainsFunc(c.children[row.text("PK")], func(ev Row) bool {
			same := ev.text("by_secret") == row.text("by_secret") || field == "name" && row.text("service_id") != ""
			return same && ev.text("item_id") == row.text("item_id") && ev.text("service_id") == row.text("service_id") &&
				ownName(ev) == former && ev.text("SK") != row.text("SK")
		})
		for _, ev := range c.children[row.text("PK")] {
			keys := anys(ev["item_keys"])
			for i, id := range memberIDs(ev) {
				given = given || id == row.text("item_id") && i < len(keys) && keys[i] == former
			}
		}
		if !given && former != "Default" { // an account begins with a secret of that name
			c.report(row, "no event gave the %s %v", field, former)
		}
	}
}

// ownName is the name of what an event is about: a service, an item or a secret.
func ownName(ev Row) string {
	for id, name := range map[string]string{"service_id": "service_name", "item_id": "item_key"} {
		if ev.text(id) != "" {
			return ev.text(name)
		}
	}
	return ev.text("secret_name")
}

func hash(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:])
}
