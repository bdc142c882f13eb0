// Package awssm keeps bundles in AWS Secrets Manager, where services read them. It is
// the only importer of that SDK; package limits has its limits without the SDK.
//
// A bundle's secret is named goblins/<prefix>/<account>/<secret>, the last two UUIDs, and tagged with
//
//	goblins:account   the account's UUID
//	goblins:secret    the secret's UUID
//	goblins:name      the secret's name, with _ for each character that tags don't take, and for
//	                  the colon of a leading aws:, which AWS reserves
//
// The prefix is the stack's, so that stacks of one AWS account share no names and no rights. A bundle
// keeps its name until it is removed, also if the prefix changes.
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
//
// AWS labels the version before as AWSPREVIOUS. That label comes off after each promotion, and
// AWSPENDING comes off a version that was not promoted: a former value must not be one call away. A
// version without a label is readable by its id until AWS removes it.
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
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/google/uuid"

	"goblins-secrets/pkg/awserr"
	"goblins-secrets/pkg/delivery"
	"goblins-secrets/pkg/secrets"
)

const (
	current  = "AWSCURRENT"
	pending  = "AWSPENDING"
	previous = "AWSPREVIOUS"

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
	client *secretsmanager.Client
	names  Names
}

// Names says where a [Target] keeps new bundles.
type Names struct {
	Prefix   string // of their names, behind goblins/
	KMSKeyID string // id, ARN or alias of the KMS key; empty: the AWS account's key for Secrets Manager
}

var _ delivery.Target = Target{}

// Open returns the Secrets Manager of a configuration's account and Region; endpoint is
// nil for AWS itself.
func Open(cfg aws.Config, endpoint *string, prefix, kmsKeyID string) delivery.Target {
	client := secretsmanager.NewFromConfig(cfg, func(o *secretsmanager.Options) { o.BaseEndpoint = endpoint })
	return New(client, Names{prefix, kmsKeyID})
}

// New returns a Target. Existing bundles keep their name and their key.
func New(client *secretsmanager.Client, names Names) Target { return Target{client, names} }

// At implements [delivery.Looker].
func (t Target) At(account, secret uuid.UUID) string {
	return "goblins/" + t.names.Prefix + "/" + account.String() + "/" + secret.String()
}

// Look implements [delivery.Looker].
// Secrets Manager: DescribeSecret.
func (t Target) Look(ctx context.Context, b delivery.Bundle) (delivery.Held, error) {
	out, err := t.client.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: &b.At})
	if is[*types.ResourceNotFoundException](err) {
		return delivery.Held{}, nil
	}
	if err != nil {
		return delivery.Held{}, awserr.TranslateRedacted("DescribeSecret", err)
	}
	place, err := arn.Parse(aws.ToString(out.ARN))
	if err != nil {
		return delivery.Held{}, fmt.Errorf("DescribeSecret: %w", err)
	}
	held := delivery.Held{
		Bundle:  secrets.Bundle{Name: aws.ToString(out.Name), Region: place.Region, ARN: aws.ToString(out.ARN), Version: labelled(out, current)},
		Deleted: out.DeletedDate != nil, Tagged: hasAll(out.Tags, tags(b)),
		Previous: labelled(out, previous), Pending: labelled(out, pending),
	}
	held.Revision = revision(held.Version)
	if held.Pending == held.Version {
		held.Pending = ""
	}
	return held, nil
}

// Content implements [delivery.Target].
// Secrets Manager: GetSecretValue.
func (t Target) Content(ctx context.Context, held delivery.Held) (secrets.Value, error) {
	out, err := t.client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &held.Name, VersionId: &held.Version})
	if err != nil {
		return secrets.Value{}, awserr.TranslateRedacted("GetSecretValue", err)
	}
	return secrets.NewValue(aws.ToString(out.SecretString)), nil
}

// Restore implements [delivery.Target].
// Secrets Manager: RestoreSecret, TagResource.
func (t Target) Restore(ctx context.Context, b delivery.Bundle, held delivery.Held) error {
	if held.Deleted {
		if _, err := t.client.RestoreSecret(ctx, &secretsmanager.RestoreSecretInput{SecretId: &b.At}); err != nil {
			return awserr.TranslateRedacted("RestoreSecret", err)
		}
	}
	if held.Name != "" && !held.Tagged {
		if _, err := t.client.TagResource(ctx, &secretsmanager.TagResourceInput{SecretId: &b.At, Tags: tags(b)}); err != nil {
			return awserr.TranslateRedacted("TagResource", err)
		}
	}
	return nil
}

// Stage implements [delivery.Target].
// Secrets Manager: CreateSecret, PutSecretValue.
func (t Target) Stage(ctx context.Context, b delivery.Bundle, held delivery.Held) error {
	id := versionID(b)
	switch {
	case held.Name == "":
		return t.create(ctx, b.At, id, b.Content.Reveal(), tags(b))
	case held.Version == id || held.Pending == id:
		return nil
	}
	return t.put(ctx, b.At, id, b.Content.Reveal())
}

// create creates a secret with its first version. A concurrent caller may be faster.
func (t Target) create(ctx context.Context, name, id, text string, tags []types.Tag) error {
	in := &secretsmanager.CreateSecretInput{Name: &name, Tags: tags, ClientRequestToken: &id, SecretString: &text}
	if t.names.KMSKeyID != "" {
		in.KmsKeyId = &t.names.KMSKeyID
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
func (t Target) Promote(ctx context.Context, b delivery.Bundle) (now delivery.Held, promoted bool, err error) {
	id := versionID(b)
	for round := range promoteRounds {
		select {
		case <-time.After(time.Duration(round) * promotePause):
		case <-ctx.Done():
			return now, false, awserr.TranslateRedacted("UpdateSecretVersionStage", ctx.Err())
		}
		if now, err = t.Look(ctx, b); err != nil {
			return now, false, err
		}
		if now.Name == "" || now.Deleted {
			return now, false, errors.New("the secret was deleted after its bundle was staged")
		}
		if now.Version == id {
			return now, true, t.Tidy(ctx, now)
		}
		if now.Revision >= b.Revision {
			return now, false, t.Tidy(ctx, now)
		}
		err = t.move(ctx, b.At, current, now.Version, id)
		if err == nil {
			// AWS has moved AWSPREVIOUS to the version before.
			now.Previous, now.Version, now.Revision = now.Version, id, b.Revision
			if now.Pending == id {
				now.Pending = ""
			}
			return now, true, t.Tidy(ctx, now)
		}
		if !is[*types.InvalidParameterException](err) { // the compare-and-swap failed: the label moved
			return now, false, awserr.TranslateRedacted("UpdateSecretVersionStage", err)
		}
	}
	return now, false, fmt.Errorf("UpdateSecretVersionStage: %s keeps moving: %w", current, secrets.ErrUnavailable)
}

// move moves a label from one version to another; either may be empty.
func (t Target) move(ctx context.Context, name, label, from, to string) error {
	in := &secretsmanager.UpdateSecretVersionStageInput{SecretId: &name, VersionStage: &label}
	if from != "" {
		in.RemoveFromVersionId = &from
	}
	if to != "" {
		in.MoveToVersionId = &to
	}
	_, err := t.client.UpdateSecretVersionStage(ctx, in)
	return err
}

// Tidy implements [delivery.Target]. A label that has moved meanwhile is another caller's.
// Secrets Manager: UpdateSecretVersionStage.
func (t Target) Tidy(ctx context.Context, held delivery.Held) error {
	for _, label := range []struct{ name, on string }{{previous, held.Previous}, {pending, held.Pending}} {
		if label.on == "" {
			continue
		}
		if err := t.move(ctx, held.Name, label.name, label.on, ""); err != nil && !is[*types.InvalidParameterException](err) {
			return awserr.TranslateRedacted("UpdateSecretVersionStage", err)
		}
	}
	return nil
}

// Remove implements [delivery.Target]. Restore takes the bundle back within 30 days.
// Secrets Manager: DeleteSecret, DescribeSecret.
func (t Target) Remove(ctx context.Context, at string) error {
	_, err := t.client.DeleteSecret(ctx, &secretsmanager.DeleteSecretInput{SecretId: &at, RecoveryWindowInDays: aws.Int64(recoveryWindow)})
	if is[*types.InvalidRequestException](err) {
		// AWS also answers this way when the deletion is already scheduled.
		if held, err := t.Look(ctx, delivery.Bundle{At: at}); err == nil && held.Deleted {
			return nil
		}
	}
	if err == nil || is[*types.ResourceNotFoundException](err) {
		return nil
	}
	return awserr.TranslateRedacted("DeleteSecret", err)
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

// labelled is the id of the version that has a label, or empty.
func labelled(held *secretsmanager.DescribeSecretOutput, label string) string {
	for id, stages := range held.VersionIdsToStages {
		if slices.Contains(stages, label) {
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

// tagValue converts a name to characters that tags accept, without the prefix aws: that AWS reserves.
// It counts UTF-16 units, the strictest reading of AWS's 256 characters.
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
