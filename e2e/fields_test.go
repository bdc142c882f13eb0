package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// field is a value of a field, as JSON, and its result: the stored text, or the error
// messages.
type field struct {
	name   string
	in     string
	out    string   // JSON
	faults []string // none: it is valid
}

const (
	blank    = "This field may not be blank."
	null     = "This field may not be null."
	noString = "Not a valid string."
	tooLong  = "Ensure this field has no more than 255 characters."
	longKey  = "Ensure this field has no more than 253 characters."
	control  = "Control characters are not allowed."
	unseen   = "Enter a name with visible characters."
	dots     = "Enter a valid key: a dot alone, and two dots at the beginning, are not allowed."
	hasNUL   = "Null characters are not allowed."
	badKey   = "Enter a valid key: letters, digits, dots, underscores and hyphens only."
)

// texts are the rules that names and keys share.
var texts = []field{
	{name: "blank", in: `""`, faults: []string{blank}},
	{name: "spaces only", in: `"   "`, faults: []string{blank}},
	{name: "tabs and newlines only", in: `"\t\n\r\u000b\f"`, faults: []string{blank}},
	{name: "ASCII separators only", in: `"\u001c\u001d\u001e\u001f"`, faults: []string{blank}},
	{name: "Unicode spaces only", in: `"\u00a0\u2003\u3000\u2028\u0085"`, faults: []string{blank}},
	{name: "null", in: `null`, faults: []string{null}},
	{name: "true", in: `true`, faults: []string{noString}},
	{name: "false", in: `false`, faults: []string{noString}},
	{name: "list", in: `["a"]`, faults: []string{noString}},
	{name: "object", in: `{"a":"b"}`, faults: []string{noString}},
	{name: "trimmed", in: `"  trim.me \n"`, out: `"trim.me"`},
	{name: "trimmed of ASCII separators", in: `"\u001f\u001ctrim\u001d"`, out: `"trim"`},
	{name: "trimmed of Unicode spaces", in: `"\u2003trim3\u00a0"`, out: `"trim3"`},
	{name: "integer", in: `123`, out: `"123"`},
	{name: "negative integer", in: `-45`, out: `"-45"`},
	{name: "zero", in: `0`, out: `"0"`},
	{name: "large integer", in: `12345678901234567890123`, out: `"12345678901234567890123"`},
	{name: "float", in: `1.50`, out: `"1.5"`},
	{name: "float without fraction", in: `2.0`, out: `"2.0"`},
	{name: "float by exponent", in: `25e-1`, out: `"2.5"`},
	{name: "large float below the exponent", in: `1e15`, out: `"1000000000000000.0"`},
	{name: "small float", in: `0.00001`, out: `"1e-05"`},
}

// names are the rules for names only.
var names = []field{
	{name: "255", in: `"<repeat:n:255>"`, out: `"<repeat:n:255>"`},
	{name: "256", in: `"<repeat:n:256>"`, faults: []string{tooLong}},
	{name: "255 after trimming", in: `" <repeat:m:255> "`, out: `"<repeat:m:255>"`},
	{name: "integer of 256 digits", in: `<repeat:7:256>`, faults: []string{tooLong}},
	{name: "large float", in: `1e16`, out: `"1e+16"`},
	{name: "huge float", in: `1.5e300`, out: `"1.5e+300"`},
	{name: "NUL only", in: `"\u0000"`, faults: []string{hasNUL}},
	{name: "NUL within", in: `"a\u0000b"`, faults: []string{hasNUL}},
	{name: "256 and NUL", in: `"<repeat:n:256>\u0000"`, faults: []string{tooLong, hasNUL}},
	{name: "255 emoji", in: `"<repeat:😀:255>"`, out: `"<repeat:😀:255>"`},
	{name: "255 emoji, escaped", in: `"<repeat:\ud83d\ude01:255>"`, out: `"<repeat:😁:255>"`},
	{name: "256 emoji", in: `"<repeat:😀:256>"`, faults: []string{tooLong}},
	{name: "zero-width space only", in: `"\u200b"`, faults: []string{unseen}},
	{name: "nothing visible", in: `"\u200b \u2800\u3164\u034f\ufe0f\u00ad\ufeff\u202e"`, faults: []string{unseen}},
	{name: "visible between invisible", in: `"\u200bx\ufe0f"`, out: "\"\u200bx\ufe0f\""},
	{name: "inner white space", in: `"a  b\u00a0\u3000c"`, out: "\"a  b\u00a0\u3000c\""},
	{name: "inner newline", in: `"a\nb"`, faults: []string{control}},
	{name: "inner tab", in: `"a\tb"`, faults: []string{control}},
	{name: "C1 control", in: `"a\u0085b"`, faults: []string{control}},
	{name: "control characters only", in: `"\u0001\u007f"`, faults: []string{control}},
	{name: "256, control and NUL", in: `"<repeat:n:256>\u0001\u0000"`, faults: []string{tooLong, control, hasNUL}},
	{name: "HTML", in: `"<a href=\"x\">&'</a>"`, out: `"<a href=\"x\">&'</a>"`},
	{name: "control characters", in: `"a\u0001\u001bb\u007f"`, faults: []string{control}},
	{name: "line separators", in: `"a\u2028b\u2029c"`, out: `"a\u2028b\u2029c"`},
	{name: "slash", in: `"a\/b"`, out: `"a/b"`},
	{name: "backslash", in: `"a\\b"`, out: `"a\\b"`},
	{name: "composed", in: "\"caf\u00e9\"", out: "\"caf\u00e9\""},
	{name: "decomposed is another name", in: "\"cafe\u0301\"", out: "\"cafe\u0301\""},
	{name: "not a character", in: `"\uffff"`, out: "\"\uffff\""},
	{name: "replacement character", in: `"\ufffd"`, out: "\"\ufffd\""},
	{name: "byte order mark", in: `"\ufeffa"`, out: "\"\ufeffa\""},
	{name: "looks like a path", in: `"../../etc/passwd"`, out: `"../../etc/passwd"`},
	{name: "looks like a row's key", in: `"ACCOUNT#SECRET#"`, out: `"ACCOUNT#SECRET#"`},
	{name: "an id", in: `"` + unknownID + `"`, out: `"` + unknownID + `"`},
}

// keys are the rules for keys only.
var keys = []field{
	{name: "all that is allowed", in: `"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"`, out: `"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"`},
	{name: "one character", in: `"-"`, out: `"-"`},
	{name: "one dot", in: `"."`, faults: []string{dots}},
	{name: "two dots", in: `".."`, faults: []string{dots}},
	{name: "two dots first", in: `" ..x"`, faults: []string{dots}},
	{name: "one dot first, two later", in: `".x..y.."`, out: `".x..y.."`},
	{name: "253", in: `"<repeat:n:253>"`, out: `"<repeat:n:253>"`},
	{name: "254", in: `"<repeat:n:254>"`, faults: []string{longKey}},
	{name: "253 after trimming", in: `" <repeat:m:253> "`, out: `"<repeat:m:253>"`},
	{name: "integer of 254 digits", in: `<repeat:7:254>`, faults: []string{longKey}},
	{name: "large float has a plus", in: `1e16`, faults: []string{badKey}},
	{name: "inner space", in: `"a b"`, faults: []string{badKey}},
	{name: "inner newline", in: `"a\nb"`, faults: []string{badKey}},
	{name: "slash", in: `"a/b"`, faults: []string{badKey}},
	{name: "equals", in: `"a=b"`, faults: []string{badKey}},
	{name: "hash", in: `"a#b"`, faults: []string{badKey}},
	{name: "letter beyond ASCII", in: `"é"`, faults: []string{badKey}},
	{name: "digit beyond ASCII", in: `"٣"`, faults: []string{badKey}},
	{name: "letter by folding", in: `"\u212a"`, faults: []string{badKey}},
	{name: "zero-width space", in: `"\u200b"`, faults: []string{badKey}},
	{name: "emoji", in: `"🔑"`, faults: []string{badKey}},
	{name: "dollar", in: `"$A"`, faults: []string{badKey}},
	{name: "254 of something else", in: `"<repeat:é:254>"`, faults: []string{longKey, badKey}},
}

// check tests one field on the routes that accept it: create and update send requests with
// it, and object is the expected answer of both. Aside is a value that differs from all
// others.
func (f field) check(t *testing.T, fieldName, aside string, object func(value string) string, create, update func(value string) response) {
	t.Helper()
	in := vars{}.fill(f.in)
	if f.faults == nil {
		want := object(vars{}.fill(f.out))
		update(in).want(t, 200, want)
		update(aside)
		create(in).want(t, 201, want)
		return
	}
	quoted := make([]string, len(f.faults))
	for i, fault := range f.faults {
		quoted[i] = `"` + fault + `"`
	}
	want := `{"` + fieldName + `":[` + strings.Join(quoted, ",") + `]}`
	create(in).want(t, 400, want)
	update(in).want(t, 400, want)
}

func TestNamesAreTrimmedAndChecked(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		c, known := withItem(t, tg)
		for _, f := range append(append([]field{}, texts...), names...) {
			t.Run(f.name, func(t *testing.T) {
				f.check(t, "name", `"aside"`, func(value string) string { return secretObject("<uuid>", value, "false") },
					func(value string) response { return c.post(t, "/api/secrets/", `{"name":`+value+`}`) },
					func(value string) response {
						return c.do(t, "PATCH", known.fill("/api/secrets/{S}/"), `{"name":`+value+`}`)
					})
			})
		}
	})
}

func TestKeysAreTrimmedAndChecked(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		c, known := withItem(t, tg)
		items := known.fill("/api/secrets/{S}/items/")
		for _, f := range append(append([]field{}, texts...), keys...) {
			t.Run(f.name, func(t *testing.T) {
				f.check(t, "key", `"aside"`, func(value string) string { return known.fill(itemObject("<uuid>", "{S}", strings.Trim(value, `"`))) },
					func(value string) response { return c.post(t, items, `{"key":`+value+`,"value":"PLANTED"}`) },
					func(value string) response { return c.do(t, "PATCH", items+known["I"]+"/", `{"key":`+value+`}`) })
			})
		}
		// The answer reports all errors of both fields, in their order.
		c.post(t, items, `{"value":"","key":"a b"}`).want(t, 400, `{"key":["`+badKey+`"],"value":["`+blank+`"]}`)
		r := c.post(t, items, `{"key":"a\u0000b","value":"PLANTED"}`)
		if r.status != 400 || !strings.Contains(r.body, hasNUL) || !strings.Contains(r.body, badKey) {
			t.Errorf("%v = %d %s, want 400 with both errors of a NUL in a key", r, r.status, r.body)
		}
	})
}

// Half a character is refused, and never replaced.
func TestLoneSurrogatesAreRefused(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		c, known := withItem(t, tg)
		for _, tc := range []struct{ in, name string }{
			{`\ud800`, "U+D800"}, {`\uDFFF`, "U+DFFF"}, {`a\udc00\ud800b`, "U+DC00"}, {`\ud83d`, "U+D83D"}, {`\ud83dx`, "U+D83D"}, {`\ud83d\ud83d\ude00`, "U+D83D"}, {`\\\ud834`, "U+D834"},
		} {
			fault := `["Surrogate characters are not allowed: ` + tc.name + `."]`
			c.post(t, "/api/secrets/", `{"name":"`+tc.in+`"}`).want(t, 400, `{"name":`+fault+`}`)
			c.do(t, "PATCH", known.fill("/api/secrets/{S}/"), `{"name":"`+tc.in+`"}`).want(t, 400, `{"name":`+fault+`}`)
			c.post(t, known.fill("/api/secrets/{S}/items/"), `{"key":"`+tc.in+`","value":"`+tc.in+`"}`).want(t, 400, `{"key":`+fault+`,"value":`+fault+`}`)
			c.do(t, "PATCH", known.fill("/api/secrets/{S}/items/{I}/"), `{"value":"`+tc.in+`"}`).want(t, 400, `{"value":`+fault+`}`)
		}
		// Pairs and escaped backslashes are valid.
		c.post(t, "/api/secrets/", `{"name":"\ud83d\ude00","\ud800":"\udc00"}`).want(t, 201, secretObject("<uuid>", `"😀"`, "false"))
		c.post(t, "/api/secrets/", `{"name":"\\ud800"}`).want(t, 201, secretObject("<uuid>", `"\\ud800"`, "false"))
		c.post(t, "/api/secrets/", `{"name":"\\\\ud800\ud83d\ude00"}`).want(t, 201, secretObject("<uuid>", `"\\\\ud800😀"`, "false"))
	})
}

// Field names are case-sensitive, and the last of duplicates counts.
func TestUnknownFieldsAreIgnored(t *testing.T) {
	withTarget(t, func(t *testing.T, tg *target) {
		c, known := withItem(t, tg)
		items := known.fill("/api/secrets/{S}/items/")
		required := `{"name":["This field is required."]}`
		for _, body := range []string{`{"Name":"upper"}`, `{"NAME":"upper"}`, `{"nаme":"Cyrillic a"}`, `{" name":"x"}`, `{"":"x"}`, `{"name\u0000":"x"}`} {
			c.post(t, "/api/secrets/", body).want(t, 400, required)
		}
		c.post(t, items, `{"Key":"K","Value":"PLANTED","ſecret":"x","\u212aey":"k"}`).want(t, 400, `{"key":["This field is required."],"value":["This field is required."]}`)
		c.post(t, "/api/secrets/", `{"name":"right","Name":"wrong","NAME":"wrong"}`).want(t, 201, secretObject("<uuid>", `"right"`, "false"))
		c.post(t, "/api/secrets/", `{"name":"first","name":5,"name":"last"}`).want(t, 201, secretObject("<uuid>", `"last"`, "false"))
		c.post(t, "/api/secrets/", `{"name":"first","n\u0061me":"escaped"}`).want(t, 201, secretObject("<uuid>", `"escaped"`, "false"))
		c.post(t, "/api/secrets/", `{"name":"first","name":null}`).want(t, 400, `{"name":["`+null+`"]}`)
		c.do(t, "PATCH", known.fill("/api/secrets/{S}/"), `{"Name":"wrong"}`).want(t, 200, known.fill(secretObject("{S}", `"mine"`, "false")))
		c.do(t, "PATCH", items+known["I"]+"/", `{"Key":"wrong","Value":"PLANTED wrong"}`).want(t, 200, known.fill(itemObject("{I}", "{S}", "KEY")))
		c.post(t, items, `{"key":"a","value":"PLANTED first","key":"DUP","value":"PLANTED last"}`).wantVars(t, 201, itemObject("{J}", "{S}", "DUP"), known)
		c.get(t, items+known["J"]+"/").want(t, 200, known.fill(readItemObject("{J}", "{S}", "DUP", `"PLANTED last"`, "{USER}")))
		c.get(t, items+known["I"]+"/").want(t, 200, known.fill(readItemObject("{I}", "{S}", "KEY", `"PLANTED"`, "{USER}")))

		// Read-only fields are ignored like unknown ones.
		c.post(t, "/api/secrets/", `{"name":"own id","id":"`+unknownID+`","is_default":true,"status":"x","deploy_successful":false,"account_id":"x","created_at":"2020-01-01T00:00:00Z","items":[1]}`).
			wantVars(t, 201, secretObject("{OWN}", `"own id"`, "false"), known)
		if known["OWN"] == unknownID {
			t.Error("POST /api/secrets/ used the id from the body")
		}
		r := c.post(t, items, `{"key":"own","value":"PLANTED","id":"`+unknownID+`","secret":"{OWN}","version":7,"last_accessed_at":"2020-01-01T00:00:00Z","last_accessed_by":"`+unknownID+`","created_at":"2020-01-01T00:00:00Z","updated_at":1}`)
		r.wantVars(t, 201, itemObject("{K}", "{S}", "own"), known)
		if known["K"] == unknownID || strings.Contains(r.body, "2020-01-01") {
			t.Errorf("%v = %s, want it without the read-only fields of the body", r, r.body)
		}
		var unknown strings.Builder
		for i := range 1000 {
			fmt.Fprintf(&unknown, `,"f%d":[%d,{"name":null}]`, i, i)
		}
		c.post(t, "/api/secrets/", `{"name":"many"`+unknown.String()+`}`).want(t, 201, secretObject("<uuid>", `"many"`, "false"))
	})
}
