// Package awssm keeps bundles in AWS Secrets Manager, where services read them. It is
// the only importer of that SDK; package limits has its limits without the SDK.
//
// A bundle's secret is named goblins/<account>/<secret>, two UUIDs, and tagged with
//
//	goblins:account   the account's UUID
//	goblins:secret    the secret's UUID
//	goblins:name      the secret's name, with _ for each character that tags don't take, and for
//	                  the colon of a leading aws:, which AWS reserves
//
// Each revision is a version, whose id says which:
//
//	r<revision, 19 digits>-<the first 16 bytes of Bundle.Versions, 32 hex digits>
//
// Ids sort by revision, also as strings. Revisions begin at 1. A version with any other id
// comes from another writer; it counts as revision 0, and the next bundle replaces it.
//
// Delivery is two-phase: a bundle is staged as AWSPENDING and promoted to AWSCURRENT,
// which services read. Promotion is a compare-and-swap: AWSCURRENT moves only from the
// version that was seen to have it, and only to a higher revision. So it never moves
// back, however many callers deliver concurrently and in whatever order. The first
// version of a secret is current at once: AWS behaves this way.
package awssm

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf16"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/google/uuid"

	"goblins-secrets/pkg/awserr"
	"goblins-secrets/pkg/delivery"
	"goblins-secrets/pkg/secrets"
)

const (
	current = "AWSCURRENT"
	pending = "AWSPENDING"

	maxTagValue    = 256
	createTimeout  = 10 * time.Second // AWS makes the account's key first, if there is none
	recoveryWindow = 30               // days

	// Promote describes the secret again when AWSCURRENT has moved: this many times, after
	// a pause, because DescribeSecret is eventually consistent.
	promoteRounds = 10
	promotePause  = 10 * time.Millisecond
)

// These compile on first use, so that no cold start pays for them.
var (
	idPattern = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^r([0-9]{19})-[0-9a-f]{32}$`) })
	notInTags = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`[^\pL\pZ\pN_.:/=+@-]`) })
)

// Target is the Secrets Manager of one AWS account and Region.
type Target struct {
	client   *secretsmanager.Client
	kmsKeyID string
}

var _ delivery.Target = Target{}

// Open returns the Secrets Manager of a configuration's account and Region; endpoint is
// nil for AWS itself. kmsKeyID encrypts new bundles; see [New].
func Open(cfg aws.Config, endpoint *string, kmsKeyID string) delivery.Target {
	return New(secretsmanager.NewFromConfig(cfg, func(o *secretsmanager.Options) { o.BaseEndpoint = endpoint }), kmsKeyID)
}

// New encrypts new bundles under the KMS key with this id, ARN or alias. If it is empty,
// they use the AWS account's key for Secrets Manager. Existing bundles keep their key.
func New(client *secretsmanager.Client, kmsKeyID string) Target {
	return Target{client: client, kmsKeyID: kmsKeyID}
}

// Stage implements [delivery.Target]. It does not store a bundle that is older than the
// current one: that would never be promoted, and AWS counts versions.
// Secrets Manager: DescribeSecret, CreateSecret, RestoreSecret, TagResource, PutSecretValue.
func (t Target) Stage(ctx context.Context, b delivery.Bundle) error {
	name, id := secretName(b.AccountID, b.SecretID), versionID(b)
	text := b.Content.Reveal()
	held, err := t.describe(ctx, name)
	if is[*types.ResourceNotFoundException](err) {
		return t.create(ctx, name, id, text, tags(b))
	}
	if err != nil {
		return awserr.TranslateRedacted("DescribeSecret", err)
	}
	if held.DeletedDate != nil {
		if _, err := t.client.RestoreSecret(ctx, &secretsmanager.RestoreSecretInput{SecretId: &name}); err != nil {
			return awserr.TranslateRedacted("RestoreSecret", err)
		}
	}
	if revision(currentVersion(held)) > b.Revision {
		return nil
	}
	if tags := tags(b); !hasAll(held.Tags, tags) {
		if _, err := t.client.TagResource(ctx, &secretsmanager.TagResourceInput{SecretId: &name, Tags: tags}); err != nil {
			return awserr.TranslateRedacted("TagResource", err)
		}
	}
	if _, there := held.VersionIdsToStages[id]; there {
		return nil
	}
	return t.put(ctx, name, id, text)
}

// create creates a secret with its first version. A concurrent caller may be faster.
func (t Target) create(ctx context.Context, name, id, text string, tags []types.Tag) error {
	in := &secretsmanager.CreateSecretInput{Name: &name, Tags: tags, ClientRequestToken: &id, SecretString: &text}
	if t.kmsKeyID != "" {
		in.KmsKeyId = &t.kmsKeyID
	}
	_, err := t.client.CreateSecret(ctx, in, func(o *secretsmanager.Options) {
		// Optional: an HTTP client whose attempts can be given more time.
		if c, ok := o.HTTPClient.(interface {
			WithTimeout(time.Duration) aws.HTTPClient
		}); ok {
			o.HTTPClient = c.WithTimeout(createTimeout)
		}
	})
	switch {
	case err == nil:
		return nil
	case is[*types.ResourceExistsException](err):
		return t.put(ctx, name, id, text)
	}
	return awserr.TranslateRedacted("CreateSecret", err)
}

// put stores a version as AWSPENDING. The id is the idempotency token: an existing
// version with this id is this bundle, even if its JSON was encoded differently.
func (t Target) put(ctx context.Context, name, id, text string) error {
	_, err := t.client.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{
		SecretId: &name, ClientRequestToken: &id, SecretString: &text, VersionStages: []string{pending},
	}, func(o *secretsmanager.Options) { o.Retryer = quotaLasts{o.Retryer} })
	switch {
	case err == nil, is[*types.ResourceExistsException](err):
		return nil
	case is[*types.LimitExceededException](err):
		return fmt.Errorf("PutSecretValue: %w", delivery.ErrQuota)
	}
	return awserr.TranslateRedacted("PutSecretValue", err)
}

// Promote implements [delivery.Target].
// Secrets Manager: DescribeSecret, UpdateSecretVersionStage.
func (t Target) Promote(ctx context.Context, b delivery.Bundle) (ahead int64, err error) {
	name, id := secretName(b.AccountID, b.SecretID), versionID(b)
	for round := range promoteRounds {
		select {
		case <-time.After(time.Duration(round) * promotePause):
		case <-ctx.Done():
			return 0, awserr.TranslateRedacted("UpdateSecretVersionStage", ctx.Err())
		}
		held, err := t.describe(ctx, name)
		if err != nil {
			return 0, awserr.TranslateRedacted("DescribeSecret", err)
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
		if !is[*types.InvalidParameterException](err) { // the compare-and-swap failed: the label moved
			return 0, awserr.TranslateRedacted("UpdateSecretVersionStage", err)
		}
	}
	return 0, fmt.Errorf("UpdateSecretVersionStage: %s keeps moving: %w", current, secrets.ErrUnavailable)
}

// Remove implements [delivery.Target]. Stage restores the bundle within 30 days.
// Secrets Manager: DeleteSecret, DescribeSecret.
func (t Target) Remove(ctx context.Context, account, secret uuid.UUID) error {
	name := secretName(account, secret)
	_, err := t.client.DeleteSecret(ctx, &secretsmanager.DeleteSecretInput{SecretId: &name, RecoveryWindowInDays: aws.Int64(recoveryWindow)})
	if is[*types.InvalidRequestException](err) {
		// AWS also answers this way when the deletion is already scheduled.
		if held, err := t.describe(ctx, name); err == nil && held.DeletedDate != nil {
			return nil
		}
	}
	if err == nil || is[*types.ResourceNotFoundException](err) {
		return nil
	}
	return awserr.TranslateRedacted("DeleteSecret", err)
}

func (t Target) describe(ctx context.Context, name string) (*secretsmanager.DescribeSecretOutput, error) {
	return t.client.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: &name})
}

func secretName(account, secret uuid.UUID) string {
	return "goblins/" + account.String() + "/" + secret.String()
}

// versionID and revision own the form of the package doc.
func versionID(b delivery.Bundle) string {
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

// currentVersion is the id of the version that services read, or empty.
func currentVersion(held *secretsmanager.DescribeSecretOutput) string {
	for id, stages := range held.VersionIdsToStages {
		if slices.Contains(stages, current) {
			return id
		}
	}
	return ""
}

func tags(b delivery.Bundle) []types.Tag {
	return []types.Tag{
		{Key: aws.String("goblins:account"), Value: aws.String(b.AccountID.String())},
		{Key: aws.String("goblins:secret"), Value: aws.String(b.SecretID.String())},
		{Key: aws.String("goblins:name"), Value: aws.String(tagValue(b.Name))},
	}
}

// tagValue converts a name to characters that tags accept, without the prefix aws: that AWS reserves. It counts UTF-16 units, the
// strictest reading of AWS's 256 characters.
func tagValue(name string) string {
	clean, length := notInTags().ReplaceAllString(name, "_"), 0
	if len(clean) >= 4 && strings.EqualFold(clean[:4], "aws:") {
		clean = clean[:3] + "_" + clean[4:]
	}
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

// quotaLasts is a retryer that does not retry an exceeded quota. The SDK treats it as a
// momentary rate, but the quota of a day lasts.
type quotaLasts struct{ aws.Retryer }

func (r quotaLasts) IsErrorRetryable(err error) bool {
	return !is[*types.LimitExceededException](err) && r.Retryer.IsErrorRetryable(err)
}

// is reports whether err is or wraps an E.
func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}
