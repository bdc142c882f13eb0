// Package awssm keeps bundles in AWS Secrets Manager, where services read them. It is
// the only importer of its SDK.
//
// A bundle's secret is named goblins/<account>/<secret>, two UUIDs, and tagged with
//
//	goblins:account   the account's UUID
//	goblins:secret    the secret's UUID
//	goblins:name      the secret's name, with _ for each character that tags don't take
//
// Each revision is a version, whose id says which:
//
//	r<revision, 19 digits>-<the first 16 bytes of Bundle.Versions, 32 hex digits>
//
// Ids are in the order of their revisions, as texts too. Revisions begin at 1: a version
// with any other id was made by someone else, counts as revision 0, and gives way to the
// next bundle.
//
// A bundle is staged as AWSPENDING and promoted to AWSCURRENT, which is what services
// read. AWSCURRENT moves only from the version that was seen to have it, and only to a
// higher revision, so it never goes back, however many deliver at a time and in
// whatever order. The first version of a secret is current at once: AWS has it so.
package awssm

import (
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"time"
	"unicode/utf16"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/smithy-go"
	"github.com/google/uuid"

	"goblins-secrets/pkg/secrets"
)

const (
	current = "AWSCURRENT"
	pending = "AWSPENDING"

	maxTagValue    = 256
	recoveryWindow = 30 // days

	// AWSCURRENT is looked for again when it moved meanwhile: that often, and after a
	// pause, because what AWS tells of a secret may be a moment old.
	promoteRounds = 10
	promotePause  = 10 * time.Millisecond
)

// Compiled when they are first needed: every function's cold start would pay.
var (
	idPattern = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^r([0-9]{19})-[0-9a-f]{32}$`) })
	notInTags = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`[^\pL\pZ\pN_.:/=+@-]`) })
)

// Target is the Secrets Manager of one AWS account and Region.
type Target struct {
	client   *secretsmanager.Client
	kmsKeyID string
}

var _ secrets.Target = Target{}

// New keeps bundles under the KMS key with this id, ARN or alias, or under the AWS
// account's own for Secrets Manager if it is empty. Those that are there keep theirs.
func New(client *secretsmanager.Client, kmsKeyID string) Target {
	return Target{client: client, kmsKeyID: kmsKeyID}
}

// Stage implements [secrets.Target]. A bundle that is older than the current one is
// not stored: it would never be promoted, and AWS counts versions.
// Secrets Manager: DescribeSecret, CreateSecret, RestoreSecret, TagResource, PutSecretValue.
func (t Target) Stage(ctx context.Context, b secrets.Bundle) error {
	name, id := secretName(b.AccountID, b.SecretID), versionID(b)
	text := b.Content.Reveal()
	held, err := t.describe(ctx, name)
	if is[*types.ResourceNotFoundException](err) {
		return t.create(ctx, name, id, text, tags(b))
	}
	if err != nil {
		return translate("DescribeSecret", err)
	}
	if held.DeletedDate != nil {
		if _, err := t.client.RestoreSecret(ctx, &secretsmanager.RestoreSecretInput{SecretId: &name}); err != nil {
			return translate("RestoreSecret", err)
		}
	}
	if revision(currentVersion(held)) > b.Revision {
		return nil
	}
	if tags := tags(b); !hasAll(held.Tags, tags) {
		if _, err := t.client.TagResource(ctx, &secretsmanager.TagResourceInput{SecretId: &name, Tags: tags}); err != nil {
			return translate("TagResource", err)
		}
	}
	if _, there := held.VersionIdsToStages[id]; there {
		return nil
	}
	return t.put(ctx, name, id, text)
}

// create makes a secret with its first version. Someone else may have made it just now.
func (t Target) create(ctx context.Context, name, id, text string, tags []types.Tag) error {
	in := &secretsmanager.CreateSecretInput{Name: &name, Tags: tags, ClientRequestToken: &id, SecretString: &text}
	if t.kmsKeyID != "" {
		in.KmsKeyId = &t.kmsKeyID
	}
	_, err := t.client.CreateSecret(ctx, in)
	switch {
	case err == nil:
		return nil
	case is[*types.ResourceExistsException](err):
		return t.put(ctx, name, id, text)
	}
	return translate("CreateSecret", err)
}

// put stores a version as AWSPENDING. A version with this id is this bundle, so one
// that exists is as good, even if its JSON was written another way.
func (t Target) put(ctx context.Context, name, id, text string) error {
	_, err := t.client.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{
		SecretId: &name, ClientRequestToken: &id, SecretString: &text, VersionStages: []string{pending},
	}, func(o *secretsmanager.Options) { o.Retryer = quotaLasts{o.Retryer} })
	switch {
	case err == nil, is[*types.ResourceExistsException](err):
		return nil
	case is[*types.LimitExceededException](err):
		return fmt.Errorf("PutSecretValue: %w", secrets.ErrQuota)
	}
	return translate("PutSecretValue", err)
}

// Promote implements [secrets.Target].
// Secrets Manager: DescribeSecret, UpdateSecretVersionStage.
func (t Target) Promote(ctx context.Context, b secrets.Bundle) (ahead int64, err error) {
	name, id := secretName(b.AccountID, b.SecretID), versionID(b)
	for round := range promoteRounds {
		select {
		case <-time.After(time.Duration(round) * promotePause):
		case <-ctx.Done():
			return 0, translate("UpdateSecretVersionStage", ctx.Err())
		}
		held, err := t.describe(ctx, name)
		if err != nil {
			return 0, translate("DescribeSecret", err)
		}
		if held.DeletedDate != nil {
			return 0, errors.New("the secret was deleted after its bundle was staged")
		}
		seen := currentVersion(held)
		if seen == id {
			return 0, nil
		}
		if has := revision(seen); has >= b.Revision {
			return has, nil
		}
		in := &secretsmanager.UpdateSecretVersionStageInput{SecretId: &name, VersionStage: aws.String(current), MoveToVersionId: &id}
		if seen != "" {
			in.RemoveFromVersionId = &seen
		}
		_, err = t.client.UpdateSecretVersionStage(ctx, in)
		if err == nil {
			return 0, nil
		}
		if !is[*types.InvalidParameterException](err) { // which says that the label is elsewhere
			return 0, translate("UpdateSecretVersionStage", err)
		}
	}
	return 0, Outage{"UpdateSecretVersionStage: " + current + " keeps moving"}
}

// Remove implements [secrets.Target]. For 30 days Stage brings the bundle back.
// Secrets Manager: DeleteSecret, DescribeSecret.
func (t Target) Remove(ctx context.Context, account, secret uuid.UUID) error {
	name := secretName(account, secret)
	_, err := t.client.DeleteSecret(ctx, &secretsmanager.DeleteSecretInput{SecretId: &name, RecoveryWindowInDays: aws.Int64(recoveryWindow)})
	if is[*types.InvalidRequestException](err) {
		// One of the reasons for that is that it was deleted before.
		if held, err := t.describe(ctx, name); err == nil && held.DeletedDate != nil {
			return nil
		}
	}
	if err == nil || is[*types.ResourceNotFoundException](err) {
		return nil
	}
	return translate("DeleteSecret", err)
}

func (t Target) describe(ctx context.Context, name string) (*secretsmanager.DescribeSecretOutput, error) {
	return t.client.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: &name})
}

func secretName(account, secret uuid.UUID) string {
	return "goblins/" + account.String() + "/" + secret.String()
}

// versionID and revision own the form of the package doc.
func versionID(b secrets.Bundle) string {
	return fmt.Sprintf("r%019d-%x", b.Revision, b.Versions[:16])
}

func revision(versionID string) int64 {
	match := idPattern().FindStringSubmatch(versionID)
	if match == nil {
		return 0
	}
	n, err := strconv.ParseInt(match[1], 10, 64)
	if err != nil {
		return 0 // 19 digits are not always an int64
	}
	return n
}

// currentVersion is the id of the version that services read, "" if there is none.
func currentVersion(held *secretsmanager.DescribeSecretOutput) string {
	for id, stages := range held.VersionIdsToStages {
		if slices.Contains(stages, current) {
			return id
		}
	}
	return ""
}

func tags(b secrets.Bundle) []types.Tag {
	return []types.Tag{
		{Key: aws.String("goblins:account"), Value: aws.String(b.AccountID.String())},
		{Key: aws.String("goblins:secret"), Value: aws.String(b.SecretID.String())},
		{Key: aws.String("goblins:name"), Value: aws.String(tagValue(b.Name))},
	}
}

// tagValue is a name as tags take it. Its length is counted as Java does, which is the
// longer way: whoever reads more into 256 characters takes it, too.
func tagValue(name string) string {
	clean, length := notInTags().ReplaceAllString(name, "_"), 0
	for i, r := range clean {
		if length += utf16.RuneLen(r); length > maxTagValue {
			return clean[:i]
		}
	}
	return clean
}

func hasAll(held, wanted []types.Tag) bool {
	return !slices.ContainsFunc(wanted, func(want types.Tag) bool {
		return !slices.ContainsFunc(held, func(has types.Tag) bool {
			return aws.ToString(has.Key) == *want.Key && aws.ToString(has.Value) == *want.Value
		})
	})
}

// quotaLasts is a retryer that gives up on a quota. The SDK's own take it for a rate
// that is exceeded for the moment; a quota of a day they only burden.
type quotaLasts struct{ aws.Retryer }

func (r quotaLasts) IsErrorRetryable(err error) bool {
	return !is[*types.LimitExceededException](err) && r.Retryer.IsErrorRetryable(err)
}

// Outage is an error that may pass: Secrets Manager is unreachable, failing or throttling.
type Outage struct{ text string }

func (e Outage) Error() string { return "secrets manager is unavailable: " + e.text }

// Unavailable marks the error as one that the same call may not meet again.
func (Outage) Unavailable() bool { return true }

// passing tells errors that the SDK itself would retry, and has.
var passing = retry.IsErrorRetryables(retry.DefaultRetryables)

// translate makes an error of this package, of an error of the SDK that is not nil. It
// wraps nothing, and says no more than the operation and the kind of error: AWS's
// messages quote what they refuse, and that may be a value.
func translate(operation string, err error) error {
	text := operation + ": " + reason(err)
	if passing.IsErrorRetryable(err) == aws.TrueTernary ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return Outage{text}
	}
	return errors.New(text)
}

func reason(err error) string {
	var api smithy.APIError
	var network *net.OpError
	switch {
	case errors.As(err, &api):
		return api.ErrorCode()
	case errors.Is(err, context.DeadlineExceeded):
		return context.DeadlineExceeded.Error()
	case errors.Is(err, context.Canceled):
		return context.Canceled.Error()
	case errors.As(err, &network):
		return network.Error() // addresses, and what the system says
	}
	return "no proper answer"
}

// is reports whether err is an error of this kind.
func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}
