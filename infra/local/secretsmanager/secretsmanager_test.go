package secretsmanager_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"goblins-secrets/infra/local/kms"
	"goblins-secrets/infra/local/secretsmanager"
)

const (
	arnPrefix = "arn:aws:secretsmanager:us-east-1:000000000000:secret:"
	day       = 24 * time.Hour
)

var credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
	return aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local"}, nil
})

// newSealer returns the sealer of a key for this test alone.
func newSealer(t *testing.T) secretsmanager.Sealer {
	t.Helper()
	keys, err := kms.Open(filepath.Join(t.TempDir(), "kms.json"))
	if err != nil {
		t.Fatal(err)
	}
	sealer, err := keys.Sealer("alias/test")
	if err != nil {
		t.Fatal(err)
	}
	return sealer
}

// A stack is a server on a file, and an AWS client of it.
type stack struct {
	*sm.Client
	url string
	// ahead is how far the server's clock is ahead of the test's.
	ahead *atomic.Int64
}

func open(t *testing.T, path string, sealer secretsmanager.Sealer) stack {
	t.Helper()
	server, err := secretsmanager.Open(path, sealer)
	if err != nil {
		t.Fatalf("Open(%s) = %v", path, err)
	}
	ahead := new(atomic.Int64)
	server.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	web := httptest.NewServer(server)
	t.Cleanup(web.Close)
	return stack{sm.New(sm.Options{
		Region: "us-east-1", BaseEndpoint: &web.URL, Credentials: credentials, Retryer: aws.NopRetryer{},
	}), web.URL, ahead}
}

func newStack(t *testing.T) stack {
	t.Helper()
	return open(t, filepath.Join(t.TempDir(), "secrets.json"), newSealer(t))
}

// id returns a version id of valid length that begins with the name.
func id(name string) string { return name + "-" + strings.Repeat("0", 40-len(name)) }

func (s stack) create(t *testing.T, name string) (arn string) {
	t.Helper()
	out, err := s.CreateSecret(t.Context(), &sm.CreateSecretInput{Name: &name})
	if err != nil {
		t.Fatalf("CreateSecret(%s) = %v", name, err)
	}
	return *out.ARN
}

// put stores a version whose value equals its id.
func (s stack) put(name, version string, stages ...string) error {
	_, err := s.PutSecretValue(context.Background(), &sm.PutSecretValueInput{
		SecretId: &name, ClientRequestToken: &version, SecretString: &version, VersionStages: stages,
	})
	return err
}

func (s stack) mustPut(t *testing.T, name, version string, stages ...string) {
	t.Helper()
	if err := s.put(name, version, stages...); err != nil {
		t.Fatalf("PutSecretValue(%s, %s, %v) = %v", name, version, stages, err)
	}
}

func (s stack) move(name, stage, from, to string) error {
	in := &sm.UpdateSecretVersionStageInput{SecretId: &name, VersionStage: &stage}
	if from != "" {
		in.RemoveFromVersionId = &from
	}
	if to != "" {
		in.MoveToVersionId = &to
	}
	_, err := s.UpdateSecretVersionStage(context.Background(), in)
	return err
}

func (s stack) describe(t *testing.T, name string) *sm.DescribeSecretOutput {
	t.Helper()
	out, err := s.DescribeSecret(t.Context(), &sm.DescribeSecretInput{SecretId: &name})
	if err != nil {
		t.Fatalf("DescribeSecret(%s) = %v", name, err)
	}
	return out
}

func (s stack) checkStages(t *testing.T, name string, want map[string][]string) {
	t.Helper()
	if diff := cmp.Diff(want, s.describe(t, name).VersionIdsToStages); diff != "" {
		t.Errorf("labels of %s (-want +got):\n%s", name, diff)
	}
}

// kind returns the name of the SDK's type of an error. If the SDK has no type for it, kind
// returns the code; for nil it returns "".
func kind(err error) string {
	var api smithy.APIError
	switch {
	case err == nil:
		return ""
	case !errors.As(err, &api):
		return err.Error()
	}
	if _, generic := api.(*smithy.GenericAPIError); generic {
		return api.ErrorCode()
	}
	return strings.TrimPrefix(fmt.Sprintf("%T", api), "*types.")
}

func checkKind(t *testing.T, call string, err error, want string) {
	t.Helper()
	if got := kind(err); got != want {
		t.Errorf("%s = %q, want %q", call, got, want)
	}
}

func TestValuesAreReadBackUnchanged(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	name, token := "app/database", id("first")
	made, err := s.CreateSecret(t.Context(), &sm.CreateSecretInput{
		Name: &name, ClientRequestToken: &token, SecretString: aws.String(`{"A": "ü\u0000"}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	if *made.VersionId != token || !strings.HasPrefix(*made.ARN, arnPrefix+name+"-") || len(*made.ARN) != len(arnPrefix+name)+7 {
		t.Errorf("CreateSecret = version %s of %s, want %s of the name and six characters", *made.VersionId, *made.ARN, token)
	}
	binary := id("second")
	if _, err := s.PutSecretValue(t.Context(), &sm.PutSecretValueInput{SecretId: &name, ClientRequestToken: &binary, SecretBinary: []byte{0, 0xff}}); err != nil {
		t.Fatal(err)
	}
	for _, secretID := range []string{name, *made.ARN, arnPrefix + name} {
		for _, tt := range []struct {
			version, stage string
			want           string
		}{
			{"", "", binary},
			{"", "AWSCURRENT", binary},
			{"", "AWSPREVIOUS", token},
			{token, "", token},
			{binary, "AWSCURRENT", binary},
		} {
			in := &sm.GetSecretValueInput{SecretId: &secretID}
			if tt.version != "" {
				in.VersionId = &tt.version
			}
			if tt.stage != "" {
				in.VersionStage = &tt.stage
			}
			got, err := s.GetSecretValue(t.Context(), in)
			if err != nil {
				t.Errorf("GetSecretValue(%s, %q, %q) = %v", secretID, tt.version, tt.stage, err)
				continue
			}
			isText := got.SecretString != nil && *got.SecretString == `{"A": "ü\u0000"}` && got.SecretBinary == nil
			isBinary := got.SecretString == nil && bytes.Equal(got.SecretBinary, []byte{0, 0xff})
			if *got.VersionId != tt.want || *got.Name != name || *got.ARN != *made.ARN || (tt.want == token) != isText || (tt.want == binary) != isBinary {
				t.Errorf("GetSecretValue(%s, %q, %q) = version %s, as string %t, as binary %t, want %s", secretID, tt.version, tt.stage, *got.VersionId, isText, isBinary, tt.want)
			}
			if age := time.Since(*got.CreatedDate); age < -time.Minute || age > time.Minute {
				t.Errorf("CreatedDate is %s ago, want now", age)
			}
		}
	}
}

func TestLabelMovesOnlyFromItsVersion(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	const name = "labels"
	s.create(t, name)
	a, b, c := id("a"), id("b"), id("c")
	s.checkStages(t, name, nil)

	s.mustPut(t, name, a, "AWSPENDING")
	s.checkStages(t, name, map[string][]string{a: {"AWSCURRENT", "AWSPENDING"}})
	s.mustPut(t, name, b, "AWSPENDING", "MINE")
	s.checkStages(t, name, map[string][]string{a: {"AWSCURRENT"}, b: {"AWSPENDING", "MINE"}})
	s.mustPut(t, name, c)
	s.checkStages(t, name, map[string][]string{a: {"AWSPREVIOUS"}, b: {"AWSPENDING", "MINE"}, c: {"AWSCURRENT"}})

	for _, step := range []struct {
		stage, from, to string
		kind            string
		want            map[string][]string
	}{
		{"AWSCURRENT", "", b, "InvalidParameterException", map[string][]string{a: {"AWSPREVIOUS"}, b: {"AWSPENDING", "MINE"}, c: {"AWSCURRENT"}}},
		{"AWSCURRENT", a, b, "InvalidParameterException", map[string][]string{a: {"AWSPREVIOUS"}, b: {"AWSPENDING", "MINE"}, c: {"AWSCURRENT"}}},
		{"AWSCURRENT", c, "", "InvalidParameterException", map[string][]string{a: {"AWSPREVIOUS"}, b: {"AWSPENDING", "MINE"}, c: {"AWSCURRENT"}}},
		{"AWSCURRENT", "", "", "InvalidParameterException", map[string][]string{a: {"AWSPREVIOUS"}, b: {"AWSPENDING", "MINE"}, c: {"AWSCURRENT"}}},
		{"AWSCURRENT", c, id("none"), "ResourceNotFoundException", map[string][]string{a: {"AWSPREVIOUS"}, b: {"AWSPENDING", "MINE"}, c: {"AWSCURRENT"}}},
		{"AWSCURRENT", c, b, "", map[string][]string{b: {"AWSCURRENT", "AWSPENDING", "MINE"}, c: {"AWSPREVIOUS"}}},
		{"AWSCURRENT", "", b, "", map[string][]string{b: {"AWSCURRENT", "AWSPENDING", "MINE"}, c: {"AWSPREVIOUS"}}},
		{"AWSCURRENT", b, c, "", map[string][]string{b: {"AWSPENDING", "AWSPREVIOUS", "MINE"}, c: {"AWSCURRENT"}}},
		{"MINE", b, a, "", map[string][]string{a: {"MINE"}, b: {"AWSPENDING", "AWSPREVIOUS"}, c: {"AWSCURRENT"}}},
		{"MINE", a, "", "", map[string][]string{b: {"AWSPENDING", "AWSPREVIOUS"}, c: {"AWSCURRENT"}}},
		{"MINE", a, "", "InvalidParameterException", map[string][]string{b: {"AWSPENDING", "AWSPREVIOUS"}, c: {"AWSCURRENT"}}},
		{"NEW", "", a, "", map[string][]string{a: {"NEW"}, b: {"AWSPENDING", "AWSPREVIOUS"}, c: {"AWSCURRENT"}}},
	} {
		checkKind(t, fmt.Sprintf("UpdateSecretVersionStage(%s, from %q, to %q)", step.stage, step.from, step.to), s.move(name, step.stage, step.from, step.to), step.kind)
		s.checkStages(t, name, step.want)
	}
}

func TestTokensAreIdempotent(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	name, a, b := "again", id("a"), id("b")
	create := func(value string) (*sm.CreateSecretOutput, error) {
		return s.CreateSecret(t.Context(), &sm.CreateSecretInput{Name: &name, ClientRequestToken: &a, SecretString: &value})
	}
	first, err := create("one")
	if err != nil {
		t.Fatal(err)
	}
	second, err := create("one")
	if err != nil || *second.ARN != *first.ARN || *second.VersionId != a {
		t.Errorf("CreateSecret again = %v, want the first answer", err)
	}
	_, err = create("two")
	checkKind(t, "CreateSecret with another value", err, "ResourceExistsException")

	s.mustPut(t, name, b, "AWSPENDING")
	changed := *s.describe(t, name).LastChangedDate
	s.ahead.Store(int64(time.Minute))
	s.mustPut(t, name, b, "AWSPENDING")
	s.mustPut(t, name, b) // a repeated put does not make it current
	s.checkStages(t, name, map[string][]string{a: {"AWSCURRENT"}, b: {"AWSPENDING"}})
	if got := *s.describe(t, name).LastChangedDate; !got.Equal(changed) {
		t.Errorf("LastChangedDate after repeated puts = %s, want %s", got, changed)
	}
	for what, in := range map[string]*sm.PutSecretValueInput{
		"another value":         {SecretString: aws.String("two")},
		"the value, but binary": {SecretBinary: []byte(b)},
	} {
		in.SecretId, in.ClientRequestToken = &name, &b
		_, err := s.PutSecretValue(t.Context(), in)
		checkKind(t, "PutSecretValue with "+what, err, "ResourceExistsException")
	}
}

func TestDescriptionIsKept(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	name := "described"
	_, err := s.CreateSecret(t.Context(), &sm.CreateSecretInput{
		Name: &name, Description: aws.String("what for"), KmsKeyId: aws.String("alias/mine"),
		Tags: []types.Tag{{Key: aws.String("owner"), Value: aws.String("")}, {Key: aws.String("a b"), Value: aws.String("Größe+-=._:/@ 1")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.TagResource(t.Context(), &sm.TagResourceInput{SecretId: &name, Tags: []types.Tag{
		{Key: aws.String("owner"), Value: aws.String("us")}, {Key: aws.String("new"), Value: aws.String("1")},
	}})
	if err != nil {
		t.Fatal(err)
	}
	got := s.describe(t, name)
	tags := map[string]string{}
	for _, tag := range got.Tags {
		tags[*tag.Key] = *tag.Value
	}
	if diff := cmp.Diff(map[string]string{"owner": "us", "a b": "Größe+-=._:/@ 1", "new": "1"}, tags); diff != "" {
		t.Errorf("tags (-want +got):\n%s", diff)
	}
	if aws.ToString(got.Description) != "what for" || aws.ToString(got.KmsKeyId) != "alias/mine" || got.DeletedDate != nil || got.VersionIdsToStages != nil {
		t.Errorf("DescribeSecret = description %q, key %q, deleted %v, versions %v, want only what was set",
			aws.ToString(got.Description), aws.ToString(got.KmsKeyId), got.DeletedDate, got.VersionIdsToStages)
	}
	s.create(t, "plain")
	if got := s.describe(t, "plain"); got.Description != nil || got.KmsKeyId != nil || got.Tags != nil {
		t.Errorf("DescribeSecret = description %v, key %v, tags %v, want none", got.Description, got.KmsKeyId, got.Tags)
	}
}

func TestDeletedSecretIsRestorableWithinItsWindow(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	ctx, name := t.Context(), "doomed"
	first := s.create(t, name)
	s.mustPut(t, name, id("a"))
	s.mustPut(t, name, id("b"))
	deleted, err := s.DeleteSecret(ctx, &sm.DeleteSecretInput{SecretId: &name, RecoveryWindowInDays: aws.Int64(7)})
	if err != nil {
		t.Fatal(err)
	}
	if window := time.Until(*deleted.DeletionDate); window < 7*day-time.Minute || window > 7*day+time.Minute {
		t.Errorf("DeletionDate is in %s, want 7 days", window)
	}
	if got := s.describe(t, name).DeletedDate; got == nil || !got.Equal(*deleted.DeletionDate) {
		t.Errorf("DeletedDate = %v, want %s", got, deleted.DeletionDate)
	}
	refused := map[string]func() error{
		"GetSecretValue": func() error {
			_, err := s.GetSecretValue(ctx, &sm.GetSecretValueInput{SecretId: &name})
			return err
		},
		"PutSecretValue":           func() error { return s.put(name, id("c")) },
		"UpdateSecretVersionStage": func() error { return s.move(name, "AWSCURRENT", id("b"), id("a")) },
		"TagResource": func() error {
			_, err := s.TagResource(ctx, &sm.TagResourceInput{SecretId: &name, Tags: []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}}})
			return err
		},
		"DeleteSecret": func() error {
			_, err := s.DeleteSecret(ctx, &sm.DeleteSecretInput{SecretId: &name})
			return err
		},
		"CreateSecret": func() error {
			_, err := s.CreateSecret(ctx, &sm.CreateSecretInput{Name: &name})
			return err
		},
	}
	for call, do := range refused {
		want := "You can't perform this operation on the secret because it was marked for deletion."
		if call == "CreateSecret" {
			want = "You can't create this secret because a secret with this name is already scheduled for deletion."
		}
		err := do()
		checkKind(t, call, err, "InvalidRequestException")
		if invalid := new(types.InvalidRequestException); errors.As(err, &invalid) && invalid.ErrorMessage() != want {
			t.Errorf("%s says %q, want %q", call, invalid.ErrorMessage(), want)
		}
	}

	s.ahead.Store(int64(7*day - time.Minute))
	for range 2 { // restoring is idempotent
		if _, err := s.RestoreSecret(ctx, &sm.RestoreSecretInput{SecretId: &name}); err != nil {
			t.Fatal(err)
		}
	}
	s.checkStages(t, name, map[string][]string{id("a"): {"AWSPREVIOUS"}, id("b"): {"AWSCURRENT"}})
	if got := s.describe(t, name); got.DeletedDate != nil || *got.ARN != first {
		t.Errorf("restored: deleted %v, ARN %s, want not deleted, %s", got.DeletedDate, *got.ARN, first)
	}

	deleted, err = s.DeleteSecret(ctx, &sm.DeleteSecretInput{SecretId: &name})
	if err != nil {
		t.Fatal(err)
	}
	if window := deleted.DeletionDate.Sub(time.Now().Add(time.Duration(s.ahead.Load()))); window < 30*day-time.Minute || window > 30*day+time.Minute {
		t.Errorf("DeletionDate is in %s, want 30 days", window)
	}
	s.ahead.Add(int64(30 * day))
	for call, do := range refused {
		if call != "CreateSecret" {
			checkKind(t, call+" after the window", do(), "ResourceNotFoundException")
		}
	}
	if second := s.create(t, name); second == first {
		t.Errorf("ARN of a new secret of the same name = %s, want a new one", first)
	}
	s.checkStages(t, name, nil)
}

func TestForceDeleteIsImmediate(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	force := func(name string) {
		t.Helper()
		if _, err := s.DeleteSecret(t.Context(), &sm.DeleteSecretInput{SecretId: &name, ForceDeleteWithoutRecovery: aws.Bool(true)}); err != nil {
			t.Errorf("DeleteSecret(%s) by force = %v", name, err)
		}
		_, err := s.DescribeSecret(t.Context(), &sm.DescribeSecretInput{SecretId: &name})
		checkKind(t, "DescribeSecret after", err, "ResourceNotFoundException")
	}
	s.create(t, "live")
	force("live")
	s.create(t, "doomed")
	if _, err := s.DeleteSecret(t.Context(), &sm.DeleteSecretInput{SecretId: aws.String("doomed")}); err != nil {
		t.Fatal(err)
	}
	force("doomed")
	force("never was")
}

func TestUnlabelledVersionsMakeRoomAfterADay(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	const name = "busy"
	s.create(t, name)
	version := func(n int) string { return id(fmt.Sprintf("v%03d", n)) }
	versions := func() []string {
		t.Helper()
		var ids []string
		pages := sm.NewListSecretVersionIdsPaginator(s, &sm.ListSecretVersionIdsInput{SecretId: aws.String(name), IncludeDeprecated: aws.Bool(true)})
		for pages.HasMorePages() {
			page, err := pages.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range page.Versions {
				ids = append(ids, *v.VersionId)
			}
		}
		return ids
	}
	s.mustPut(t, name, version(0), "KEEP")
	for n := 1; n < 100; n++ {
		s.mustPut(t, name, version(n))
	}
	checkKind(t, "PutSecretValue of the 101st version in a day", s.put(name, version(100)), "LimitExceededException")
	checkKind(t, "PutSecretValue of a version that exists", s.put(name, version(99)), "")
	if got := versions(); len(got) != 100 {
		t.Errorf("%d versions, want 100", len(got))
	}
	s.ahead.Store(int64(day - time.Minute))
	checkKind(t, "PutSecretValue within the day", s.put(name, version(100)), "LimitExceededException")
	s.ahead.Store(int64(day + time.Minute))
	s.mustPut(t, name, version(100))
	s.mustPut(t, name, version(101))
	// The oldest version has a label. The two oldest without a label are removed.
	got := versions()
	if len(got) != 100 || !slices.Contains(got, version(0)) || slices.Contains(got, version(1)) || slices.Contains(got, version(2)) || !slices.Contains(got, version(3)) {
		t.Errorf("after a day and two more puts: %d versions, from %v, want 100: the labelled one and the newest", len(got), got[:3])
	}
	s.checkStages(t, name, map[string][]string{version(0): {"KEEP"}, version(100): {"AWSPREVIOUS"}, version(101): {"AWSCURRENT"}})
}

func TestSecretHasAtMost20Labels(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.create(t, "labelled")
	var stages []string
	for n := range 19 {
		stages = append(stages, fmt.Sprint("L", n))
	}
	s.mustPut(t, "labelled", id("a"), stages...) // and AWSCURRENT
	checkKind(t, "PutSecretValue with the 21st label", s.put("labelled", id("b"), "L19"), "LimitExceededException")
	checkKind(t, "UpdateSecretVersionStage with the 21st label", s.move("labelled", "L19", "", id("a")), "LimitExceededException")
	checkKind(t, "PutSecretValue with a label that exists", s.put("labelled", id("b"), "L18"), "")
}

func TestErrorsHaveTheirAWSNames(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	ctx, name := t.Context(), "there"
	s.create(t, name)
	s.create(t, "empty")
	s.mustPut(t, name, id("a"))
	s.mustPut(t, name, id("b"))
	get := func(in sm.GetSecretValueInput) error { _, err := s.GetSecretValue(ctx, &in); return err }
	create := func(in sm.CreateSecretInput) error {
		if in.Name == nil {
			in.Name = aws.String("new")
		}
		_, err := s.CreateSecret(ctx, &in)
		return err
	}
	put := func(in sm.PutSecretValueInput) error {
		in.SecretId = &name
		_, err := s.PutSecretValue(ctx, &in)
		return err
	}
	remove := func(in sm.DeleteSecretInput) error {
		in.SecretId = &name
		_, err := s.DeleteSecret(ctx, &in)
		return err
	}
	tag := func(key, value string) error {
		_, err := s.TagResource(ctx, &sm.TagResourceInput{SecretId: &name, Tags: []types.Tag{{Key: &key, Value: &value}}})
		return err
	}
	list := func(in sm.ListSecretsInput) error { _, err := s.ListSecrets(ctx, &in); return err }
	batch := func(in sm.BatchGetSecretValueInput) error { _, err := s.BatchGetSecretValue(ctx, &in); return err }
	var many []types.Tag
	for n := range 51 {
		many = append(many, types.Tag{Key: aws.String(fmt.Sprint("k", n)), Value: aws.String("v")})
	}
	text, none := aws.String("x"), aws.String("none")
	for _, tt := range []struct {
		call string
		err  error
		want string
	}{
		{"GetSecretValue of none", get(sm.GetSecretValueInput{SecretId: none}), "ResourceNotFoundException"},
		{"GetSecretValue without a value", get(sm.GetSecretValueInput{SecretId: aws.String("empty")}), "ResourceNotFoundException"},
		{"GetSecretValue of no version", get(sm.GetSecretValueInput{SecretId: &name, VersionId: aws.String(id("c"))}), "ResourceNotFoundException"},
		{"GetSecretValue of no stage", get(sm.GetSecretValueInput{SecretId: &name, VersionStage: none}), "ResourceNotFoundException"},
		{"GetSecretValue of another's stage", get(sm.GetSecretValueInput{SecretId: &name, VersionId: aws.String(id("a")), VersionStage: aws.String("AWSCURRENT")}), "InvalidRequestException"},
		{"GetSecretValue without a name", get(sm.GetSecretValueInput{SecretId: aws.String("")}), "ValidationException"},
		{"CreateSecret twice", create(sm.CreateSecretInput{Name: &name}), "ResourceExistsException"},
		{"CreateSecret without a name", create(sm.CreateSecretInput{Name: aws.String("")}), "ValidationException"},
		{"CreateSecret with a space", create(sm.CreateSecretInput{Name: aws.String("a b")}), "ValidationException"},
		{"CreateSecret with a long name", create(sm.CreateSecretInput{Name: aws.String(strings.Repeat("n", 513))}), "ValidationException"},
		{"CreateSecret with a long description", create(sm.CreateSecretInput{Description: aws.String(strings.Repeat("n", 2049))}), "ValidationException"},
		{"CreateSecret with 51 tags", create(sm.CreateSecretInput{Tags: many}), "InvalidParameterException"},
		{"CreateSecret with replicas", create(sm.CreateSecretInput{AddReplicaRegions: []types.ReplicaRegionType{{Region: aws.String("eu-west-1")}}}), "InvalidParameterException"},
		{"CreateSecret with two values", create(sm.CreateSecretInput{SecretString: text, SecretBinary: []byte("x")}), "InvalidParameterException"},
		{"PutSecretValue of none", s.put(*none, id("a")), "ResourceNotFoundException"},
		{"PutSecretValue without a value", put(sm.PutSecretValueInput{}), "InvalidRequestException"},
		{"PutSecretValue of an empty value", put(sm.PutSecretValueInput{SecretString: aws.String("")}), "ValidationException"},
		{"PutSecretValue of a large value", put(sm.PutSecretValueInput{SecretString: aws.String(strings.Repeat("\n", 65537))}), "ValidationException"},
		{"PutSecretValue of the largest value", put(sm.PutSecretValueInput{SecretString: aws.String(strings.Repeat("\u0001", 65536))}), ""},
		{"PutSecretValue with a short token", put(sm.PutSecretValueInput{SecretString: text, ClientRequestToken: aws.String(strings.Repeat("t", 31))}), "InvalidParameterException"},
		{"PutSecretValue with a long token", put(sm.PutSecretValueInput{SecretString: text, ClientRequestToken: aws.String(strings.Repeat("t", 65))}), "InvalidParameterException"},
		{"PutSecretValue with no stages", put(sm.PutSecretValueInput{SecretString: text, VersionStages: []string{}}), "ValidationException"},
		{"PutSecretValue with an empty stage", put(sm.PutSecretValueInput{SecretString: text, VersionStages: []string{""}}), "ValidationException"},
		{"UpdateSecretVersionStage of none", s.move(*none, "S", "", id("a")), "ResourceNotFoundException"},
		{"UpdateSecretVersionStage without a stage", s.move(name, "", "", id("a")), "ValidationException"},
		{"DeleteSecret in 6 days", remove(sm.DeleteSecretInput{RecoveryWindowInDays: aws.Int64(6)}), "InvalidParameterException"},
		{"DeleteSecret in 31 days", remove(sm.DeleteSecretInput{RecoveryWindowInDays: aws.Int64(31)}), "InvalidParameterException"},
		{"DeleteSecret by force in 7 days", remove(sm.DeleteSecretInput{RecoveryWindowInDays: aws.Int64(7), ForceDeleteWithoutRecovery: aws.Bool(true)}), "InvalidParameterException"},
		{"TagResource without a key", tag("", "v"), "ValidationException"},
		{"TagResource with a long key", tag(strings.Repeat("ü", 129), "v"), "ValidationException"},
		{"TagResource with the longest key", tag(strings.Repeat("ü", 128), "v"), ""},
		{"TagResource with a long value", tag("k", strings.Repeat("ü", 257)), "ValidationException"},
		{"TagResource with a number sign", tag("k", "a#b"), "InvalidParameterException"},
		{"TagResource with a line break", tag("k\n", "v"), "InvalidParameterException"},
		{"TagResource with AWS's prefix", tag("aws:k", "v"), "InvalidParameterException"},
		{"TagResource with AWS's prefix in capitals", tag("AWS:k", "v"), "InvalidParameterException"},
		{"TagResource with a value of AWS's prefix", tag("k", "Aws:v"), "InvalidParameterException"},
		{"ListSecrets of 0", list(sm.ListSecretsInput{MaxResults: aws.Int32(0)}), "ValidationException"},
		{"ListSecrets with an unknown token", list(sm.ListSecretsInput{NextToken: none}), "InvalidNextTokenException"},
		{"ListSecrets with an unknown filter", list(sm.ListSecretsInput{Filters: []types.Filter{{Key: "nam", Values: []string{"t"}}}}), "ValidationException"},
		{"ListSecrets with an empty filter", list(sm.ListSecretsInput{Filters: []types.Filter{{Key: "name", Values: []string{}}}}), "ValidationException"},
		{"BatchGetSecretValue of nothing", batch(sm.BatchGetSecretValueInput{}), "InvalidParameterException"},
		{"BatchGetSecretValue of 21", batch(sm.BatchGetSecretValueInput{SecretIdList: make([]string, 21)}), "ValidationException"},
	} {
		checkKind(t, tt.call, tt.err, tt.want)
	}
	s.checkStages(t, "empty", nil)
}

func TestListsPageInOrderOfCreation(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	for n, name := range []string{"c", "a", "d", "b"} {
		s.ahead.Store(int64(n) * int64(time.Second))
		s.create(t, name)
	}
	if _, err := s.DeleteSecret(t.Context(), &sm.DeleteSecretInput{SecretId: aws.String("d")}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		planned bool
		want    []string
	}{{false, []string{"c", "a", "b"}}, {true, []string{"c", "a", "d", "b"}}} {
		var got []string
		pages := sm.NewListSecretsPaginator(s, &sm.ListSecretsInput{MaxResults: aws.Int32(2), IncludePlannedDeletion: &tt.planned})
		for pages.HasMorePages() {
			page, err := pages.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, sec := range page.SecretList {
				got = append(got, *sec.Name)
			}
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("ListSecrets(deleted too: %t) (-want +got):\n%s", tt.planned, diff)
		}
	}

	s.mustPut(t, "a", id("x"))
	s.mustPut(t, "a", id("y"))
	s.mustPut(t, "a", id("z"))
	for _, tt := range []struct {
		deprecated bool
		want       map[string][]string
	}{
		{false, map[string][]string{id("y"): {"AWSPREVIOUS"}, id("z"): {"AWSCURRENT"}}},
		{true, map[string][]string{id("x"): nil, id("y"): {"AWSPREVIOUS"}, id("z"): {"AWSCURRENT"}}},
	} {
		out, err := s.ListSecretVersionIds(t.Context(), &sm.ListSecretVersionIdsInput{SecretId: aws.String("a"), IncludeDeprecated: &tt.deprecated})
		if err != nil {
			t.Fatal(err)
		}
		got := map[string][]string{}
		for _, v := range out.Versions {
			got[*v.VersionId] = v.VersionStages
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("ListSecretVersionIds(deprecated too: %t) (-want +got):\n%s", tt.deprecated, diff)
		}
	}
}

// Filters match beginnings; each filter must match, with one of its values. Programs that fetch many secrets at
// once use them.
func TestFiltersAndBatches(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	for n, sec := range []sm.CreateSecretInput{
		{Name: aws.String("app/one"), Description: aws.String("Of the shop"), Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("web")}}},
		{Name: aws.String("app/two"), Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("data")}}},
		{Name: aws.String("other")},
	} {
		s.ahead.Store(int64(n) * int64(time.Second))
		sec.ClientRequestToken, sec.SecretString = aws.String(id(fmt.Sprint("v", n))), aws.String(fmt.Sprint("value ", n))
		if n == 2 {
			sec.ClientRequestToken, sec.SecretString = nil, nil
		}
		if _, err := s.CreateSecret(t.Context(), &sec); err != nil {
			t.Fatal(err)
		}
	}
	filter := func(key types.FilterNameStringType, values ...string) types.Filter {
		return types.Filter{Key: key, Values: values}
	}
	for _, tt := range []struct {
		filters []types.Filter
		want    []string
	}{
		{[]types.Filter{filter("name", "app/")}, []string{"app/one", "app/two"}},
		{[]types.Filter{filter("name", "app/two", "oth")}, []string{"app/two", "other"}},
		{[]types.Filter{filter("name", "App")}, nil},
		{[]types.Filter{filter("name", "one")}, nil},
		{[]types.Filter{filter("name", "!app/")}, []string{"other"}},
		{[]types.Filter{filter("name", "app/"), filter("tag-value", "da")}, []string{"app/two"}},
		{[]types.Filter{filter("tag-key", "team"), filter("tag-value", "web")}, []string{"app/one"}},
		{[]types.Filter{filter("description", "of THE")}, []string{"app/one"}},
		{[]types.Filter{filter("all", "SHOP web")}, []string{"app/one"}},
		{[]types.Filter{filter("all", "shop data")}, nil},
		{[]types.Filter{filter("owning-service", "rds")}, nil},
	} {
		out, err := s.ListSecrets(t.Context(), &sm.ListSecretsInput{Filters: tt.filters})
		var got []string
		for i := 0; err == nil && i < len(out.SecretList); i++ {
			got = append(got, *out.SecretList[i].Name)
		}
		if diff := cmp.Diff(tt.want, got); err != nil || diff != "" {
			t.Errorf("ListSecrets(%v): %v (-want +got):\n%s", tt.filters, err, diff)
		}
	}
	for _, tt := range []struct {
		in           sm.BatchGetSecretValueInput
		values, errs []string
	}{
		{sm.BatchGetSecretValueInput{SecretIdList: []string{"app/two", "missing", "other", "app/one"}}, []string{"value 1", "value 0"}, []string{"missing", "other"}},
		{sm.BatchGetSecretValueInput{Filters: []types.Filter{filter("name", "app/")}}, []string{"value 0", "value 1"}, nil},
	} {
		out, err := s.BatchGetSecretValue(t.Context(), &tt.in)
		if err != nil {
			t.Fatal(err)
		}
		var values, errs []string
		for _, v := range out.SecretValues {
			values = append(values, *v.SecretString)
		}
		for _, e := range out.Errors {
			errs = append(errs, *e.SecretId)
			if *e.ErrorCode != "ResourceNotFoundException" {
				t.Errorf("the error of %s is %s", *e.SecretId, *e.ErrorCode)
			}
		}
		if !slices.Equal(values, tt.values) || !slices.Equal(errs, tt.errs) {
			t.Errorf("BatchGetSecretValue = %q, errors of %q; want %q and %q", values, errs, tt.values, tt.errs)
		}
	}
	pages, got := sm.NewBatchGetSecretValuePaginator(s, &sm.BatchGetSecretValueInput{Filters: []types.Filter{filter("name", "app/")}, MaxResults: aws.Int32(1)}), 0
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil || len(page.SecretValues) != 1 {
			t.Fatalf("a page of BatchGetSecretValue = %v, %v, want one value", page, err)
		}
		got++
	}
	if got != 2 {
		t.Errorf("BatchGetSecretValue has %d pages, want 2", got)
	}
}

// When several callers move a label from the same version, exactly one succeeds.
func TestMovingALabelIsACompareAndSwap(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	const name, movers, rounds = "raced", 8, 10
	s.create(t, name)
	version := func(n int) string { return id(fmt.Sprint("v", n)) }
	for n := range movers + 1 {
		s.mustPut(t, name, version(n), "AWSPENDING")
	}
	holder := 0 // the first one
	for round := range rounds {
		var won atomic.Int64
		var winner atomic.Int64
		var wg sync.WaitGroup
		start := make(chan struct{})
		for n := range movers + 1 {
			if n == holder {
				continue
			}
			wg.Go(func() {
				<-start
				switch err := s.move(name, "AWSCURRENT", version(holder), version(n)); kind(err) {
				case "":
					won.Add(1)
					winner.Store(int64(n))
				case "InvalidParameterException":
				default:
					t.Errorf("UpdateSecretVersionStage = %v", err)
				}
			})
		}
		close(start)
		wg.Wait()
		if won.Load() != 1 {
			t.Fatalf("round %d: %d moved the label, want 1", round, won.Load())
		}
		got := s.describe(t, name).VersionIdsToStages
		next := int(winner.Load())
		if !slices.Contains(got[version(next)], "AWSCURRENT") || !slices.Contains(got[version(holder)], "AWSPREVIOUS") {
			t.Fatalf("round %d: labels %v, want AWSCURRENT on the winner, %s, and AWSPREVIOUS on %s", round, got, version(next), version(holder))
		}
		holder = next
	}
}

func TestSecretsSurviveReopening(t *testing.T) {
	t.Parallel()
	path, sealer := filepath.Join(t.TempDir(), "secrets.json"), newSealer(t)
	s := open(t, path, sealer)
	const plaintext = "correct horse battery staple"
	name, token := "kept", id("a")
	_, err := s.CreateSecret(t.Context(), &sm.CreateSecretInput{
		Name: &name, ClientRequestToken: &token, SecretString: aws.String(plaintext), Description: aws.String("what for"),
		KmsKeyId: aws.String("alias/mine"), Tags: []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	binary := id("b")
	if _, err := s.PutSecretValue(t.Context(), &sm.PutSecretValueInput{SecretId: &name, ClientRequestToken: &binary, SecretBinary: []byte(plaintext), VersionStages: []string{"MINE"}}); err != nil {
		t.Fatal(err)
	}
	s.create(t, "doomed")
	if _, err := s.DeleteSecret(t.Context(), &sm.DeleteSecretInput{SecretId: aws.String("doomed")}); err != nil {
		t.Fatal(err)
	}

	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// The base64 of a substring depends on its offset modulo 3, so the test searches all three.
	for _, trace := range []string{plaintext, "Y29ycmVjdCBob3JzZS", "NvcnJlY3QgaG9yc2Ug", "jb3JyZWN0IGhvcnNlI"} {
		if bytes.Contains(data, []byte(trace)) {
			t.Error("the file holds a plaintext")
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode of the file is %v, %v, want 0600", info.Mode(), err)
	}

	again := open(t, path, sealer)
	for _, secret := range []string{name, "doomed"} {
		before, after := marshal(t, s.describe(t, secret)), marshal(t, again.describe(t, secret))
		if !bytes.Equal(before, after) {
			t.Errorf("DescribeSecret(%s) after reopening = %s, want %s", secret, after, before)
		}
	}
	for _, stage := range []string{"AWSCURRENT", "MINE"} {
		got, err := again.GetSecretValue(t.Context(), &sm.GetSecretValueInput{SecretId: &name, VersionStage: &stage})
		if err != nil {
			t.Errorf("GetSecretValue(%s) after reopening = %v", stage, err)
		} else if aws.ToString(got.SecretString)+string(got.SecretBinary) != plaintext {
			t.Errorf("GetSecretValue(%s) after reopening: the value differs", stage)
		}
	}
}

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// A writer of the file cannot move a value from one version to another.
func TestValueIsBoundToItsVersion(t *testing.T) {
	t.Parallel()
	path, sealer := filepath.Join(t.TempDir(), "secrets.json"), newSealer(t)
	s := open(t, path, sealer)
	s.create(t, "one")
	s.mustPut(t, "one", id("a"))
	s.mustPut(t, "one", id("b"))
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	swapped := strings.NewReplacer(id("a"), id("b"), id("b"), id("a")).Replace(string(data))
	if err := os.WriteFile(path, []byte(swapped), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = open(t, path, sealer).GetSecretValue(t.Context(), &sm.GetSecretValueInput{SecretId: aws.String("one")})
	checkKind(t, "GetSecretValue of a swapped version", err, "InternalServiceError")
}

func TestOpenRefusesDamagedFile(t *testing.T) {
	t.Parallel()
	good := `{"version":2,"secrets":{"n":{"arn":"` + arnPrefix + `n-ABCDEF","stages":{"AWSCURRENT":"v"},"versions":{"v":{"sealed":"AQ=="}}}}}`
	for _, tt := range []struct {
		name, file string
		ok         bool
	}{
		{"good", good, true},
		{"empty", "", false},
		{"null", "null", false},
		{"no members", "{}", false},
		{"no secrets", `{"version":2}`, false},
		{"cut short", good[:len(good)-10], false},
		{"something after", good + "{}", false},
		{"later version", strings.Replace(good, `"version":2`, `"version":3`, 1), false},
		{"another's ARN", strings.Replace(good, "n-ABC", "m-ABC", 1), false},
		{"ARN cut short", strings.Replace(good, "-ABCDEF", "", 1), false},
		{"no stages", strings.Replace(good, `"stages"`, `"other"`, 1), false},
		{"no versions", strings.Replace(good, `"versions"`, `"other"`, 1), false},
		{"label on no version", strings.Replace(good, `:"v"`, `:"w"`, 1), false},
		{"no value", strings.Replace(good, "AQ==", "", 1), false},
	} {
		path := filepath.Join(t.TempDir(), "secrets.json")
		if err := os.WriteFile(path, []byte(tt.file), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := secretsmanager.Open(path, newSealer(t))
		if (err == nil) != tt.ok || err != nil && !strings.Contains(err.Error(), path) {
			t.Errorf("Open(%s) = %v, want ok %t, naming the file", tt.name, err, tt.ok)
		}
	}
}

// If the file cannot be written, the caller gets an error and nothing changes.
func TestFailedWriteChangesNothing(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	s := open(t, filepath.Join(dir, "secrets.json"), newSealer(t))
	s.create(t, "one")
	s.mustPut(t, "one", id("a"))
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	checkKind(t, "PutSecretValue without a disk", s.put("one", id("b")), "InternalServiceError")
	s.checkStages(t, "one", map[string][]string{id("a"): {"AWSCURRENT"}})
}

func TestServerSpeaksAWSJSON(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.create(t, "there")
	for _, tt := range []struct {
		name, method, path, target, contentType, body string
		status                                        int
		kind                                          string
	}{
		{"good", "POST", "/", "secretsmanager.DescribeSecret", "application/x-amz-json-1.1", `{"SecretId":"there","Later":1}`, 200, ""},
		{"charset", "POST", "/", "secretsmanager.DescribeSecret", "application/x-amz-json-1.1; charset=utf-8", `{"SecretId":"there"}`, 200, ""},
		{"not found", "POST", "/", "secretsmanager.DescribeSecret", "application/x-amz-json-1.1", `{"SecretId":"none"}`, 400, "ResourceNotFoundException"},
		{"no such operation", "POST", "/", "secretsmanager.RotateSecret", "application/x-amz-json-1.1", `{}`, 400, "UnknownOperationException"},
		{"another service", "POST", "/", "TrentService.DescribeKey", "application/x-amz-json-1.1", `{}`, 400, "UnknownOperationException"},
		{"no target", "POST", "/", "", "application/x-amz-json-1.1", `{}`, 400, "UnknownOperationException"},
		{"GET", "GET", "/", "secretsmanager.DescribeSecret", "application/x-amz-json-1.1", ``, 400, "UnknownOperationException"},
		{"elsewhere", "POST", "/x", "secretsmanager.DescribeSecret", "application/x-amz-json-1.1", `{}`, 400, "UnknownOperationException"},
		{"content type", "POST", "/", "secretsmanager.DescribeSecret", "application/json", `{}`, 400, "UnknownOperationException"},
		{"empty", "POST", "/", "secretsmanager.DescribeSecret", "application/x-amz-json-1.1", ``, 400, "SerializationException"},
		{"cut short", "POST", "/", "secretsmanager.PutSecretValue", "application/x-amz-json-1.1", `{"SecretString":"hush`, 400, "SerializationException"},
		{"wrong type", "POST", "/", "secretsmanager.PutSecretValue", "application/x-amz-json-1.1", `{"SecretString":{"hush":"hush"}}`, 400, "SerializationException"},
		{"no token", "POST", "/", "secretsmanager.PutSecretValue", "application/x-amz-json-1.1", `{"SecretId":"there","SecretString":"hush"}`, 400, "InvalidParameterException"},
		{"too large", "POST", "/", "secretsmanager.PutSecretValue", "application/x-amz-json-1.1", `{"SecretString":"` + strings.Repeat("hush", 200<<10) + `"}`, 413, "RequestEntityTooLargeException"},
	} {
		r, err := http.NewRequestWithContext(t.Context(), tt.method, s.url+tt.path, strings.NewReader(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", tt.contentType)
		r.Header.Set("X-Amz-Target", tt.target)
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		var got struct {
			Type    string `json:"__type"`
			Message string
		}
		if err := json.Unmarshal(body, &got); err != nil {
			t.Errorf("%s: answer is not JSON: %v", tt.name, err)
		}
		if response.StatusCode != tt.status || got.Type != tt.kind || (got.Message == "") != (tt.kind == "") {
			t.Errorf("%s = %d %q with message %q, want %d %q", tt.name, response.StatusCode, got.Type, got.Message, tt.status, tt.kind)
		}
		if bytes.Contains(body, []byte("hush")) {
			t.Errorf("%s: the answer quotes the value", tt.name)
		}
		if got := response.Header.Get("Content-Type"); got != "application/x-amz-json-1.1" || response.Header.Get("X-Amzn-Requestid") == "" {
			t.Errorf("%s: content type %q, request id %q", tt.name, got, response.Header.Get("X-Amzn-Requestid"))
		}
	}
}
