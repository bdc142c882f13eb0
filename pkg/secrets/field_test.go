package secrets_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"goblins-secrets/pkg/secrets"
	"goblins-secrets/pkg/secretstest"
)

// The messages are part of the API: clients show them.
const (
	msgRequired = "This field is required."
	msgNull     = "This field may not be null."
	msgBlank    = "This field may not be blank."
	msgNUL      = "Null characters are not allowed."
	msgBadKey   = "Enter a valid key: letters, digits, dots, underscores and hyphens only."
	msgMask     = "This is the mask, not a value."
	msgBadLabel = "Enter a valid name: lowercase letters, digits and hyphens only, with a letter or digit at both ends."
	msgBadImage = "Enter a valid image reference."
	msgNoNumber = "A valid integer is required."
)

// acceptingStore accepts every write and every id. It keeps the last sealed value.
type acceptingStore struct {
	secrets.Store
	sealed []byte
}

func (*acceptingStore) Secret(_ context.Context, account, secret uuid.UUID) (secrets.Secret, error) {
	return secrets.Secret{AccountID: account, ID: secret, Name: "secret"}, nil
}

func (*acceptingStore) CreateSecret(context.Context, secrets.Secret, int, secrets.Event) error {
	return nil
}

func (s *acceptingStore) WriteItems(_ context.Context, _ secrets.Change, _ secrets.Event, items ...secrets.ItemWrite) error {
	s.sealed = items[0].Sealed
	return nil
}

func (*acceptingStore) ItemsWithKeys(context.Context, uuid.UUID, uuid.UUID, ...string) (secrets.Secret, []secrets.Item, error) {
	return secrets.Secret{}, nil, nil
}

func (*acceptingStore) ServicesNamed(context.Context, uuid.UUID, string) ([]secrets.Service, error) {
	return nil, nil
}

func (*acceptingStore) CreateService(context.Context, secrets.Change, secrets.Service, int, secrets.Event) error {
	return nil
}

// plainSealer seals nothing.
type plainSealer struct{ secrets.Sealer }

func (plainSealer) Seal(_ context.Context, _ map[string]string, plaintext []byte) ([]byte, error) {
	return slices.Clone(plaintext), nil
}

// inputs creates objects from single fields. The other fields are valid.
type inputs struct {
	t     *testing.T
	m     *secrets.Manager
	store *acceptingStore
	c     secrets.Caller
}

func newInputs(t *testing.T) inputs {
	store := new(acceptingStore)
	return inputs{t, &secrets.Manager{Store: store, Sealer: plainSealer{}, Now: time.Now, NewID: uuid.New}, store,
		secretstest.Admin()}
}

// messages returns the messages of a field, the only one that err may refuse.
func (in inputs) messages(field string, err error) []string {
	in.t.Helper()
	if err == nil {
		return nil
	}
	var invalid secrets.Invalid
	if !errors.As(err, &invalid) || len(invalid) != 1 || invalid[0].Field != field {
		in.t.Errorf("%v, want only %q refused", err, field)
		return nil
	}
	return invalid[0].Messages
}

func (in inputs) secretName(f secrets.Field) (string, []string) {
	in.t.Helper()
	made, err := in.m.CreateSecret(in.t.Context(), in.c, secrets.SecretInput{Name: f})
	return made.Name, in.messages("name", err)
}

func (in inputs) itemKey(f secrets.Field) (string, []string) {
	in.t.Helper()
	made, err := in.m.CreateItem(in.t.Context(), in.c, uuid.NewString(), secrets.ItemInput{Key: f, Value: secrets.Text("value")})
	return made.Key, in.messages("key", err)
}

func (in inputs) itemValue(f secrets.Field) (string, []string) {
	in.t.Helper()
	in.store.sealed = nil
	_, err := in.m.CreateItem(in.t.Context(), in.c, uuid.NewString(), secrets.ItemInput{Key: secrets.Text("KEY"), Value: f})
	return string(in.store.sealed), in.messages("value", err)
}

// service creates a service after change has replaced a field of a valid input.
func (in inputs) service(field string, change func(*secrets.ServiceInput)) (secrets.Service, []string) {
	in.t.Helper()
	input := serviceInput("app", uuid.New())
	change(&input)
	made, err := in.m.CreateService(in.t.Context(), in.c, input)
	if err != nil {
		made = secrets.Service{}
	}
	return made, in.messages(field, err)
}

func TestNamesAndKeysAreChecked(t *testing.T) {
	const (
		tooLong = "Ensure this field has no more than 255 characters."
		longKey = "Ensure this field has no more than 253 characters."
		control = "Control characters are not allowed."
		unseen  = "Enter a name with visible characters."
	)
	in := newInputs(t)
	for _, tt := range []struct {
		field     secrets.Field
		text      string
		name, key []string
	}{
		{secrets.Text("plain"), "plain", nil, nil},
		{secrets.Field{}, "", []string{msgRequired}, []string{msgRequired}},
		{secrets.Malformed("Not a valid string."), "", []string{"Not a valid string."}, []string{"Not a valid string."}},
		{secrets.Text(""), "", []string{msgBlank}, []string{msgBlank}},
		{secrets.Text(" \t\r\n\v\f\u00a0\u2003\u001c\u001d\u001e\u001f\u0085"), "", []string{msgBlank}, []string{msgBlank}},
		{secrets.Text("\u200b"), "\u200b", []string{unseen}, []string{msgBadKey}},
		{secrets.Text(" \x1cAPI_KEY\n"), "API_KEY", nil, nil},
		{secrets.Text("a b"), "a b", nil, []string{msgBadKey}},
		{secrets.Text("a\nb"), "a\nb", []string{control}, []string{msgBadKey}},
		{secrets.Text("A.b-c_9"), "A.b-c_9", nil, nil},
		{secrets.Text("ключ"), "ключ", nil, []string{msgBadKey}},
		{secrets.Text(strings.Repeat("k", 255)), strings.Repeat("k", 255), nil, []string{longKey}},
		{secrets.Text("\n" + strings.Repeat("k", 253) + " "), strings.Repeat("k", 253), nil, nil},
		{secrets.Text(strings.Repeat("k", 256)), strings.Repeat("k", 256), []string{tooLong}, []string{longKey}},
		{secrets.Text(strings.Repeat("😀", 255)), strings.Repeat("😀", 255), nil, []string{longKey, msgBadKey}},
		{secrets.Text(strings.Repeat("k", 256) + "\x00"), "", []string{tooLong, msgNUL}, []string{longKey, msgNUL, msgBadKey}},
	} {
		text, messages := in.secretName(tt.field)
		if diff := cmp.Diff(tt.name, messages); diff != "" || tt.name == nil && text != tt.text {
			t.Errorf("name of %.20q = %.20q (-want +got):\n%s", tt.text, text, diff)
		}
		text, messages = in.itemKey(tt.field)
		if diff := cmp.Diff(tt.key, messages); diff != "" || tt.key == nil && text != tt.text {
			t.Errorf("key of %.20q = %.20q (-want +got):\n%s", tt.text, text, diff)
		}
	}
}

func TestValuesAreChecked(t *testing.T) {
	const tooLong = "Ensure this field has no more than 65536 bytes."
	in := newInputs(t)
	for _, tt := range []struct {
		text string
		want []string
	}{
		{"x", nil},
		{" \n", nil},
		{"\x01\x1b\x7f", nil},
		{strings.Repeat("v", 65536), nil},
		{strings.Repeat("é", 32768), nil},
		{strings.Repeat("é", 32768) + "v", []string{tooLong}},
		{strings.Repeat("v", 65536) + "\x00", []string{tooLong, msgNUL}},
		{"a\x00b", []string{msgNUL}},
		{secrets.Mask, []string{msgMask}},
		{secrets.Mask + "\n", nil},
		{"", []string{msgBlank}},
	} {
		value, messages := in.itemValue(secrets.Text(tt.text))
		if diff := cmp.Diff(tt.want, messages); diff != "" {
			t.Errorf("value of %d bytes (-want +got):\n%s", len(tt.text), diff)
		}
		if kept := messages == nil; kept && value != tt.text || !kept && value != "" {
			t.Errorf("value of %d bytes became one of %d", len(tt.text), len(value))
		}
	}
	if value, messages := in.itemValue(secrets.Field{}); !slices.Equal(messages, []string{msgRequired}) || value != "" {
		t.Errorf("no value = %d bytes, %q, want %q", len(value), messages, msgRequired)
	}
}

func TestLabelsAndImagesAreChecked(t *testing.T) {
	const longLabel, longImage = "Ensure this field has no more than 63 characters.", "Ensure this field has no more than 512 characters."
	in := newInputs(t)
	for _, tt := range []struct {
		field        secrets.Field
		text         string
		label, image []string
	}{
		{secrets.Text("app"), "app", nil, nil},
		{secrets.Text(" \x1fapp\n"), "app", nil, nil},
		{secrets.Field{}, "", []string{msgRequired}, []string{msgRequired}},
		{secrets.Malformed("why"), "", []string{"why"}, []string{"why"}},
		{secrets.Text(" \t"), "", []string{msgBlank}, []string{msgBlank}},
		{secrets.Text("-"), "-", []string{msgBadLabel}, []string{msgBadImage}},
		{secrets.Text("a_b.c:v1"), "a_b.c:v1", []string{msgBadLabel}, nil},
		{secrets.Text("a---b"), "a---b", nil, nil},
		{secrets.Text(strings.Repeat("a", 63)), strings.Repeat("a", 63), nil, nil},
		{secrets.Text(strings.Repeat("a", 64)), strings.Repeat("a", 64), []string{longLabel}, nil},
		{secrets.Text(strings.Repeat("a", 512)), strings.Repeat("a", 512), []string{longLabel}, nil},
		{secrets.Text(strings.Repeat("a", 513)), "", []string{longLabel}, []string{longImage}},
		{secrets.Text(strings.Repeat("é", 513) + "\x00"), "", []string{longLabel, msgBadLabel, msgNUL},
			[]string{longImage, msgBadImage, msgNUL}},
	} {
		made, messages := in.service("name", func(in *secrets.ServiceInput) { in.Name = tt.field })
		if diff := cmp.Diff(tt.label, messages); diff != "" || tt.label == nil && made.Name != tt.text {
			t.Errorf("label of %.20q = %.20q (-want +got):\n%s", tt.text, made.Name, diff)
		}
		made, messages = in.service("image", func(in *secrets.ServiceInput) { in.Image = tt.field })
		if diff := cmp.Diff(tt.image, messages); diff != "" || tt.image == nil && made.Image != tt.text {
			t.Errorf("image of %.20q = %.20q (-want +got):\n%s", tt.text, made.Image, diff)
		}
	}
}

func TestPortsAreChecked(t *testing.T) {
	const tooSmall, tooLarge = "Ensure this value is greater than or equal to 1.", "Ensure this value is less than or equal to 65535."
	in := newInputs(t)
	port := func(f secrets.Field) (int, []string) {
		made, messages := in.service("port", func(in *secrets.ServiceInput) { in.Port = f })
		return made.Port, messages
	}
	for _, tt := range []struct {
		text  string
		want  int
		fault string
	}{
		{"1", 1, ""},
		{"65535", 65535, ""},
		{"\x1f 0080.000\n", 80, ""},
		{"80.", 80, ""},
		{"+80", 80, ""},
		{"", 0, msgNoNumber},
		{".", 0, msgNoNumber},
		{".0", 0, msgNoNumber},
		{"80.01", 0, msgNoNumber},
		{"80.0.0", 0, msgNoNumber},
		{"80 .x", 0, msgNoNumber},
		{"1_0", 0, msgNoNumber},
		{"0x1", 0, msgNoNumber},
		{"--1", 0, msgNoNumber},
		{"inf", 0, msgNoNumber},
		{"1e3", 0, msgNoNumber},
		{"9223372036854775808.1", 0, msgNoNumber},
		{"0", 0, tooSmall},
		{"-0", 0, tooSmall},
		{"-9223372036854775809", 0, tooSmall},
		{"65536", 0, tooLarge},
		{"9223372036854775808", 0, tooLarge},
		{strings.Repeat("9", 5000), 0, tooLarge},
	} {
		if got, messages := port(secrets.Text(tt.text)); strings.Join(messages, "|") != tt.fault || got != tt.want {
			t.Errorf("port of %.20q = %d, %q, want %d, %q", tt.text, got, messages, tt.want, tt.fault)
		}
	}
	for fault, field := range map[string]secrets.Field{msgRequired: {}, "why": secrets.Malformed("why")} {
		if got, messages := port(field); !slices.Equal(messages, []string{fault}) || got != 0 {
			t.Errorf("port = %d, %q, want %q", got, messages, fault)
		}
	}
}

func TestOptionalFieldsMayBeMissing(t *testing.T) {
	in := newInputs(t)
	for name, tt := range map[string]struct {
		field secrets.Field
		want  string
		fault []string
	}{
		"missing":   {secrets.Field{}, "", nil},
		"null":      {secrets.Null(), "", nil},
		"text":      {secrets.Text(" a b\n"), "a b", nil},
		"blank":     {secrets.Text(" "), "", []string{msgBlank}},
		"malformed": {secrets.Malformed("why"), "", []string{"why"}},
		"too long":  {secrets.Text(strings.Repeat("c", 256)), "", []string{"Ensure this field has no more than 255 characters."}},
	} {
		made, messages := in.service("config", func(in *secrets.ServiceInput) { in.Config = tt.field })
		if diff := cmp.Diff(tt.fault, messages); diff != "" || made.Config != tt.want {
			t.Errorf("%s: config = %.20q, want %.20q (-want +got):\n%s", name, made.Config, tt.want, diff)
		}
	}
}

func TestShortNamesAreChecked(t *testing.T) {
	const tooLong = "Ensure this field has no more than 64 bytes."
	for _, tt := range []struct {
		field secrets.Field
		want  string
		fault []string
	}{
		{secrets.Text(" Ada \n"), "Ada", nil},
		{secrets.Text(strings.Repeat("é", 32)), strings.Repeat("é", 32), nil},
		{secrets.Text(strings.Repeat("é", 32) + "x"), "", []string{tooLong}},
		{secrets.Text("\u200b"), "", []string{"Enter a name with visible characters."}},
		{secrets.Null(), "", []string{msgNull}},
		{secrets.Field{}, "", []string{msgRequired}},
	} {
		got, messages := secrets.ShortName(tt.field)
		if diff := cmp.Diff(tt.fault, messages); diff != "" || tt.fault == nil && got != tt.want {
			t.Errorf("short name = %q, want %q (-want +got):\n%s", got, tt.want, diff)
		}
	}
}

func TestEmailsAreChecked(t *testing.T) {
	const invalid, tooLong = "Enter a valid email address.", "Ensure this field has no more than 254 characters."
	label := strings.Repeat("d", 63)
	long := strings.Repeat("a", 59) + "@" + strings.Repeat(label+".", 3) + "co" // 254 characters
	for _, tt := range []struct {
		field secrets.Field
		want  string
		fault []string
	}{
		{secrets.Field{}, "", nil},
		{secrets.Null(), "", nil},
		{secrets.Text(""), "", nil},
		{secrets.Text(" \t"), "", nil},
		{secrets.Malformed("why"), "", []string{"why"}},
		{secrets.Text(" ada@example.com\n"), "ada@example.com", nil},
		{secrets.Text("O'Hara.x+y@a-b.Example.org"), "O'Hara.x+y@a-b.Example.org", nil},
		{secrets.Text("a@example.xn--p1ai"), "a@example.xn--p1ai", nil},
		{secrets.Text(long), long, nil},
		{secrets.Text("a" + long), "", []string{tooLong}},
		{secrets.Text("ada"), "", []string{invalid}},
		{secrets.Text("ada@"), "", []string{invalid}},
		{secrets.Text("@example.com"), "", []string{invalid}},
		{secrets.Text("ada@localhost"), "", []string{invalid}},
		{secrets.Text("a@b@example.com"), "", []string{invalid}},
		{secrets.Text(".ada@example.com"), "", []string{invalid}},
		{secrets.Text("a..b@example.com"), "", []string{invalid}},
		{secrets.Text("a b@example.com"), "", []string{invalid}},
		{secrets.Text("Ada <ada@example.com>"), "", []string{invalid}},
		{secrets.Text("a@example.com\nBcc: b@example.com"), "", []string{invalid}},
		{secrets.Text("ада@example.com"), "", []string{invalid}},
		{secrets.Text("ada@example..com"), "", []string{invalid}},
		{secrets.Text("ada@-example.com"), "", []string{invalid}},
		{secrets.Text("ada@example-.com"), "", []string{invalid}},
		{secrets.Text("ada@example.c"), "", []string{invalid}},
		{secrets.Text("ada@example.co-"), "", []string{invalid}},
		{secrets.Text("ada@" + label + "d.com"), "", []string{invalid}},
		{secrets.Text("a\x00@example.com"), "", []string{invalid, msgNUL}},
	} {
		got, messages := secrets.Email(tt.field)
		if diff := cmp.Diff(tt.fault, messages); diff != "" || tt.fault == nil && got != tt.want {
			t.Errorf("email = %q, want %q (-want +got):\n%s", got, tt.want, diff)
		}
	}
}

func TestChoicesAreChecked(t *testing.T) {
	for _, tt := range []struct {
		field       secrets.Field
		want, fault string
	}{
		{secrets.Text("person"), "person", ""},
		{secrets.Text("Person"), "", `"Person" is not a valid choice.`},
		{secrets.Text(" person"), "", `" person" is not a valid choice.`},
		{secrets.Text(""), "", `"" is not a valid choice.`},
		{secrets.Null(), "", msgNull},
		{secrets.Field{}, "", msgRequired},
		{secrets.Malformed("why"), "", "why"},
	} {
		if got, messages := secrets.Choice(tt.field, "person", "machine"); got != tt.want || strings.Join(messages, "|") != tt.fault {
			t.Errorf("choice = %q, %q, want %q, %q", got, messages, tt.want, tt.fault)
		}
	}
}

func TestPermissionsAreChecked(t *testing.T) {
	const known = " is not a valid choice. Known: list, reveal, write, audit, admin, export."
	for _, tt := range []struct {
		field       secrets.Field
		want, fault string
	}{
		{secrets.Texts("list"), "list", ""},
		{secrets.Texts("admin", "audit", "write", "reveal", "list"), "list reveal write audit admin", ""},
		{secrets.Texts("write", "list", "write"), "list write", ""},
		{secrets.Texts("list", "own"), "", `"own"` + known},
		{secrets.Texts("List"), "", `"List"` + known},
		{secrets.Texts("list "), "", `"list "` + known},
		{secrets.Texts(""), "", `""` + known},
		{secrets.Texts(), "", "This list may not be empty."},
		{secrets.Text("list"), "", `Expected a list of items but got type "str".`},
		{secrets.Null(), "", msgNull},
		{secrets.Field{}, "", msgRequired},
		{secrets.Malformed("why"), "", "why"},
	} {
		if got, messages := secrets.CheckPermissions(tt.field); strings.Join(got.Names(), " ") != tt.want || strings.Join(messages, "|") != tt.fault {
			t.Errorf("permissions = %v, %q, want %q, %q", got, messages, tt.want, tt.fault)
		}
	}
}

func TestSetsOfIDsAreChecked(t *testing.T) {
	const (
		a = "01936e1c-7bf0-7c3e-a7f4-2b1d9e5c8a60"
		b = "01936e1d-0c11-7d02-9b7e-6f0a4d3c2b18"
		c = "f1936e1d-0c11-7d02-9b7e-6f0a4d3c2b18"
	)
	invalid := "Must be a valid UUID."
	for _, tt := range []struct {
		field secrets.Field
		want  []string
		fault string
	}{
		{secrets.Null(), nil, ""},
		{secrets.Texts(c, a), []string{a, c}, ""},
		{secrets.Texts(b, strings.ToUpper(a), b, a), []string{a, b}, ""},
		{secrets.Texts(a, b, c), nil, "Ensure this field has no more than 2 elements."},
		{secrets.Texts(a, "{"+b+"}"), nil, invalid},
		{secrets.Texts(a, strings.ReplaceAll(b, "-", "")), nil, invalid},
		{secrets.Texts(" " + a), nil, invalid},
		{secrets.Texts("*"), nil, invalid},
		{secrets.Texts(""), nil, invalid},
		{secrets.Texts(), nil, "This list may not be empty."},
		{secrets.Text(a), nil, `Expected a list of items but got type "str".`},
		{secrets.Field{}, nil, msgRequired},
		{secrets.Malformed("why"), nil, "why"},
	} {
		ids, messages := secrets.IDs(tt.field, 2)
		var got []string
		for _, id := range ids {
			got = append(got, id.String())
		}
		if !slices.Equal(got, tt.want) || strings.Join(messages, "|") != tt.fault {
			t.Errorf("ids = %q, %q, want %q, %q", got, messages, tt.want, tt.fault)
		}
	}
}

func TestMomentsAreChecked(t *testing.T) {
	const (
		invalid    = "Datetime has wrong format. Use one of these formats instead: YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z]."
		outOfRange = "Datetime value out of range."
	)
	for _, tt := range []struct {
		text, want, fault string
	}{
		{"2026-02-28T09:05:07Z", "2026-02-28T09:05:07Z", ""},
		{"2026-02-28T09:05:07.123456Z", "2026-02-28T09:05:07.123456Z", ""},
		{"2026-02-28T09:05:07.1234569Z", "2026-02-28T09:05:07.123456Z", ""},
		{"2026-02-28T09:05:07." + strings.Repeat("9", 500) + "Z", "2026-02-28T09:05:07.999999Z", ""},
		{"2026-02-28T09:05Z", "2026-02-28T09:05:00Z", ""},
		{"2026-02-28T09:05-05:30", "2026-02-28T14:35:00Z", ""},
		{"2026-02-28T23:05:07+01:00", "2026-02-28T22:05:07Z", ""},
		{"2024-02-29T00:00:00-00:01", "2024-02-29T00:01:00Z", ""},
		{"9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z", ""},
		{"0001-01-01T00:00:00.000001Z", "0001-01-01T00:00:00.000001Z", ""},
		{"9999-12-31T23:59:59-00:01", "", outOfRange},
		{"0001-01-01T00:00:00Z", "", outOfRange}, // the zero time
		{"0001-01-01T00:00:00.0000009Z", "", outOfRange},
		{"0000-12-31T23:59:59Z", "", outOfRange},
		{"2026-02-28T09:05:07", "", invalid},
		{"2026-02-28T09:05", "", invalid},
		{"2026-02-28", "", invalid},
		{"2026-02-28 09:05:07Z", "", invalid},
		{"2026-02-28t09:05:07z", "", invalid},
		{" 2026-02-28T09:05:07Z", "", invalid},
		{"2026-02-28T9:05:07Z", "", invalid},
		{"2026-02-28T09:05.5Z", "", invalid},
		{"2026-02-28T09:05:07,5Z", "", invalid},
		{"2026-02-28T09:05:07.Z", "", invalid},
		{"2026-02-28T09:05:07+0100", "", invalid},
		{"2026-02-28T09:05:07+24:00", "", invalid},
		{"2026-02-28T09:05:07+00:60", "", invalid},
		{"2026-02-28T09:05:07+", "", invalid},
		{"2026-02-29T09:05:07Z", "", invalid},
		{"2026-02-28T24:00:00Z", "", invalid},
		{"2026-02-28T23:59:60Z", "", invalid},
		{"12026-02-28T09:05:07Z", "", invalid},
		{"1772269507", "", invalid},
		{"2026-02-28T09:05é", "", invalid},
		{"", "", invalid},
	} {
		at, messages := secrets.Moment(secrets.Text(tt.text))
		got := ""
		if messages == nil {
			got = at.Format(time.RFC3339Nano)
		}
		if got != tt.want || strings.Join(messages, "|") != tt.fault || (messages != nil) != at.IsZero() {
			t.Errorf("moment of %q = %q, %q, want %q, %q", tt.text, got, messages, tt.want, tt.fault)
		}
	}
	for fault, field := range map[string]secrets.Field{"": secrets.Null(), msgRequired: {}, "why": secrets.Malformed("why")} {
		at, messages := secrets.Moment(field)
		if !at.IsZero() || strings.Join(messages, "|") != fault {
			t.Errorf("moment = %v, %q, want %q", at, messages, fault)
		}
	}
}

// Limits are read as ports are.
func TestLimitsAreChecked(t *testing.T) {
	for _, tt := range []struct {
		field secrets.Field
		want  int
		fault string
	}{
		{secrets.Text("5"), 5, ""},
		{secrets.Text("1000"), 1000, ""},
		{secrets.Null(), 0, ""},
		{secrets.Text("4"), 0, "Ensure this value is greater than or equal to 5."},
		{secrets.Text("1001"), 0, "Ensure this value is less than or equal to 1000."},
		{secrets.Text("null"), 0, msgNoNumber},
		{secrets.Field{}, 0, msgRequired},
		{secrets.Malformed("why"), 0, "why"},
	} {
		got, messages := secrets.Limit(tt.field, 5, 1000)
		if got != tt.want || strings.Join(messages, "|") != tt.fault {
			t.Errorf("limit = %d, %q, want %d, %q", got, messages, tt.want, tt.fault)
		}
	}
}

func TestBooleansAreChecked(t *testing.T) {
	for _, tt := range []struct {
		field secrets.Field
		want  bool
		fault string
	}{
		{secrets.Bool(true), true, ""},
		{secrets.Bool(false), false, ""},
		{secrets.Field{}, false, ""},
		{secrets.Text("yes"), false, "Must be a valid boolean."},
		{secrets.Text(""), false, "Must be a valid boolean."},
		{secrets.Null(), false, msgNull},
		{secrets.Malformed("why"), false, "why"},
	} {
		if got, messages := secrets.Boolean(tt.field); got != tt.want || strings.Join(messages, "|") != tt.fault {
			t.Errorf("boolean = %t, %q, want %t, %q", got, messages, tt.want, tt.fault)
		}
	}
}
