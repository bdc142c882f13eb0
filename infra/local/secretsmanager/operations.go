package secretsmanager

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"goblins-secrets/infra/local/awsjson"
)

const (
	// Limits of AWS Secrets Manager.
	maxValue       = 65536
	maxDescription = 2048
	maxName        = 512
	maxTags        = 50
	maxTagKey      = 128
	maxTagValue    = 256
	maxStage       = 256
	minWindow      = 7 // days
	maxWindow      = 30
	maxPage        = 100
	maxBatch       = 20 // secrets of BatchGetSecretValue

	maxFilters      = 10
	maxFilterValues = 10

	noVersion = "Secrets Manager can't find the specified secret value for VersionId: %s"
)

var (
	namePattern = regexp.MustCompile(`^[A-Za-z0-9/_+=.@!-]+$`)
	reserved    = regexp.MustCompile(`^(?i)aws:`) // for AWS's own tags
	tagPattern  = regexp.MustCompile(`^[\pL\pZ\pN_.:/=+@-]*$`)
)

type secretRequest struct{ SecretId string }

type pageRequest struct {
	MaxResults *int
	NextToken  string
}

// valueRequest is the part of a request that describes a version.
type valueRequest struct {
	ClientRequestToken string
	SecretString       *string
	SecretBinary       []byte
}

func (in valueRequest) given() bool { return in.SecretString != nil || in.SecretBinary != nil }

func (in valueRequest) value() (plaintext []byte, binary bool) {
	if in.SecretString != nil {
		return []byte(*in.SecretString), false
	}
	return in.SecretBinary, true
}

// check refuses an invalid version. A request without a value is valid.
func (in valueRequest) check() error {
	switch {
	case !in.given():
		return nil
	case in.SecretString != nil && in.SecretBinary != nil:
		return fail("InvalidParameterException", "You can't specify both a binary secret value and a string secret value in the same secret.")
	case in.ClientRequestToken == "":
		return fail("InvalidParameterException", "You must provide a ClientRequestToken value. We recommend a UUID-type value.")
	case len(in.ClientRequestToken) < 32 || len(in.ClientRequestToken) > 64:
		return fail("InvalidParameterException", "ClientRequestToken must be 32-64 characters long.")
	}
	value, _ := in.value()
	return awsjson.Between("secretString or secretBinary", len(value), 1, maxValue)
}

func (sec secret) identity() answer { return answer{"ARN": sec.ARN, "Name": sec.name} }

// Secrets.

func (s *Server) createSecret(in struct {
	valueRequest
	Name, Description, KmsKeyId string
	Tags                        []tag
	AddReplicaRegions           []struct{}
}) (answer, error) {
	if len(in.AddReplicaRegions) > 0 {
		return nil, fail("InvalidParameterException", "AddReplicaRegions is not supported here.")
	}
	if err := cmp.Or(
		awsjson.Between("name", len(in.Name), 1, maxName),
		awsjson.Between("description", utf8.RuneCountInString(in.Description), 0, maxDescription),
		in.check(),
	); err != nil {
		return nil, err
	}
	if !namePattern.MatchString(in.Name) {
		return nil, fail("ValidationException", "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!")
	}
	var sec secret
	err := s.update(func(v vault) error {
		if old, ok := v[in.Name]; ok {
			sec = old
			return s.createAgain(old, in.valueRequest)
		}
		now := s.Now().UTC()
		sec = secret{
			name: in.Name, ARN: newARN(in.Name), Description: in.Description, KMSKeyID: in.KmsKeyId,
			CreatedAt: now, ChangedAt: now, Stages: map[string]string{}, Versions: map[string]version{},
		}
		if err := sec.tag(in.Tags); err != nil {
			return err
		}
		if in.given() {
			if err := s.put(&sec, in.valueRequest, nil); err != nil {
				return err
			}
		}
		v[in.Name] = sec
		return nil
	})
	if err != nil {
		return nil, err
	}
	out := sec.identity()
	if in.given() {
		out["VersionId"] = in.ClientRequestToken
	}
	return out, nil
}

// createAgain handles a name that exists. It returns nil if the same request created it.
func (s *Server) createAgain(old secret, in valueRequest) error {
	if old.DeletesAt != nil {
		return fail("InvalidRequestException", "You can't create this secret because a secret with this name is already scheduled for deletion.")
	}
	if _, ok := old.Versions[in.ClientRequestToken]; ok && in.given() {
		return s.put(&old, in, nil)
	}
	return fail("ResourceExistsException", "The operation failed because the secret %s already exists.", old.name)
}

func (s *Server) describeSecret(in secretRequest) (answer, error) {
	sec, err := s.kept().find(in.SecretId)
	if err != nil {
		return nil, err
	}
	return sec.describe("VersionIdsToStages"), nil
}

// describe returns everything except the values. The name of the member with the versions
// depends on the operation. AWS omits empty members and versions without a label.
func (sec secret) describe(versionsMember string) answer {
	out := sec.identity()
	out["CreatedDate"], out["LastChangedDate"] = epoch(sec.CreatedAt), epoch(sec.ChangedAt)
	if sec.DeletesAt != nil {
		out["DeletedDate"] = epoch(*sec.DeletesAt)
	}
	if sec.Description != "" {
		out["Description"] = sec.Description
	}
	if sec.KMSKeyID != "" {
		out["KmsKeyId"] = sec.KMSKeyID
	}
	if len(sec.Tags) > 0 {
		out["Tags"] = sec.Tags
	}
	if len(sec.Stages) > 0 {
		versions := map[string][]string{}
		for _, id := range sec.Stages {
			versions[id] = sec.stagesOf(id)
		}
		out[versionsMember] = versions
	}
	return out
}

func (s *Server) listSecrets(in struct {
	pageRequest
	IncludePlannedDeletion bool
	Filters                filters
	SortBy, SortOrder      string
}) (answer, error) {
	if in.SortBy != "" || in.SortOrder != "" {
		return nil, fail("InvalidParameterException", "SortBy and SortOrder are not supported here.")
	}
	if err := in.Filters.check(); err != nil {
		return nil, err
	}
	kept := s.kept()
	return in.page("SecretList", kept.names(in.Filters, in.IncludePlannedDeletion), func(name string) answer {
		return kept[name].describe("SecretVersionsToStages")
	})
}

// names lists secrets that match all filters, in the order of their creation.
func (v vault) names(f filters, deletedToo bool) []string {
	names := slices.SortedFunc(maps.Keys(v), func(a, b string) int {
		return cmp.Or(v[a].CreatedAt.Compare(v[b].CreatedAt), cmp.Compare(a, b))
	})
	return slices.DeleteFunc(names, func(name string) bool {
		return v[name].DeletesAt != nil && !deletedToo || !f.match(v[name])
	})
}

// filters select secrets that match each of them. A filter matches if one of its values does.
type filters []struct {
	Key    string
	Values []string
}

// filtered returns what a filter looks at. All keys but all match beginnings.
var filtered = map[string]func(sec secret) []string{
	"name":           func(sec secret) []string { return []string{sec.name} },
	"description":    func(sec secret) []string { return []string{sec.Description} },
	"tag-key":        func(sec secret) []string { return sec.tags(func(t tag) string { return t.Key }) },
	"tag-value":      func(sec secret) []string { return sec.tags(func(t tag) string { return t.Value }) },
	"primary-region": func(secret) []string { return []string{"us-east-1"} },
	"owning-service": func(secret) []string { return nil },
}

func (sec secret) tags(of func(tag) string) (texts []string) {
	for _, t := range sec.Tags {
		texts = append(texts, of(t))
	}
	return texts
}

func (f filters) check() error {
	if err := awsjson.Between("filters", len(f), 0, maxFilters); err != nil {
		return err
	}
	for _, one := range f {
		if filtered[one.Key] == nil && one.Key != "all" {
			return fail("ValidationException", "1 validation error detected: Value '%s' at 'filters.key' failed to satisfy constraint: unknown key", one.Key)
		}
		if err := awsjson.Between("filters.values", len(one.Values), 1, maxFilterValues); err != nil {
			return err
		}
	}
	return nil
}

func (f filters) match(sec secret) bool {
	for _, one := range f {
		if !slices.ContainsFunc(one.Values, func(value string) bool {
			value, negated := strings.CutPrefix(value, "!")
			return sec.has(one.Key, value) != negated
		}) {
			return false
		}
	}
	return true
}

// has reports whether a secret has the value of a filter. Only all and description ignore case. All looks for
// each word anywhere in the secret's attributes.
func (sec secret) has(key, value string) bool {
	if key == "all" {
		var text strings.Builder
		for _, of := range filtered {
			text.WriteString(strings.ToLower(strings.Join(of(sec), " ")) + " ")
		}
		for word := range strings.FieldsSeq(strings.ToLower(value)) {
			if !strings.Contains(text.String(), word) {
				return false
			}
		}
		return true
	}
	return slices.ContainsFunc(filtered[key](sec), func(text string) bool {
		if key == "description" {
			text, value = strings.ToLower(text), strings.ToLower(value)
		}
		return strings.HasPrefix(text, value)
	})
}

func (s *Server) deleteSecret(in struct {
	SecretId                   string
	RecoveryWindowInDays       *int
	ForceDeleteWithoutRecovery bool
}) (answer, error) {
	days := maxWindow
	switch {
	case in.RecoveryWindowInDays == nil:
	case in.ForceDeleteWithoutRecovery:
		return nil, fail("InvalidParameterException", "You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.")
	default:
		days = *in.RecoveryWindowInDays
	}
	if days < minWindow || days > maxWindow {
		return nil, fail("InvalidParameterException", "The RecoveryWindowInDays value must be between %d and %d days (inclusive).", minWindow, maxWindow)
	}
	if in.ForceDeleteWithoutRecovery {
		return s.forceDelete(in.SecretId)
	}
	sec, err := s.changeSecret(in.SecretId, func(sec *secret) error {
		sec.ChangedAt = s.Now().UTC()
		end := sec.ChangedAt.AddDate(0, 0, days)
		sec.DeletesAt = &end
		return nil
	})
	if err != nil {
		return nil, err
	}
	out := sec.identity()
	out["DeletionDate"] = epoch(*sec.DeletesAt)
	return out, nil
}

// forceDelete removes a secret at once, even one that is already marked for deletion. As
// in AWS, a missing secret is not an error.
func (s *Server) forceDelete(id string) (answer, error) {
	out := answer{"Name": id}
	err := s.update(func(v vault) error {
		if sec, err := v.find(id); err == nil {
			delete(v, sec.name)
			out = sec.identity()
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	out["DeletionDate"] = epoch(s.Now())
	return out, nil
}

// restoreSecret is idempotent: restoring a secret that is not deleted succeeds.
func (s *Server) restoreSecret(in secretRequest) (answer, error) {
	var sec secret
	err := s.update(func(v vault) (err error) {
		if sec, err = v.find(in.SecretId); err != nil {
			return err
		}
		sec.DeletesAt, sec.ChangedAt = nil, s.Now().UTC()
		v[sec.name] = sec
		return nil
	})
	if err != nil {
		return nil, err
	}
	return sec.identity(), nil
}

func (s *Server) tagResource(in struct {
	SecretId string
	Tags     []tag
}) (answer, error) {
	_, err := s.changeSecret(in.SecretId, func(sec *secret) error {
		sec.ChangedAt = s.Now().UTC()
		return sec.tag(in.Tags)
	})
	if err != nil {
		return nil, err
	}
	return answer{}, nil
}

// tag adds tags, and replaces the values of existing ones.
func (sec *secret) tag(tags []tag) error {
	for _, t := range tags {
		if err := cmp.Or(
			awsjson.Between("tag key", utf8.RuneCountInString(t.Key), 1, maxTagKey),
			awsjson.Between("tag value", utf8.RuneCountInString(t.Value), 0, maxTagValue),
		); err != nil {
			return err
		}
		if !tagPattern.MatchString(t.Key) || !tagPattern.MatchString(t.Value) || reserved.MatchString(t.Key) || reserved.MatchString(t.Value) {
			return fail("InvalidParameterException", "A tag may contain only letters, spaces, numbers and + - = . _ : / @, and neither its key nor its value may begin with aws:.")
		}
		i := slices.IndexFunc(sec.Tags, func(had tag) bool { return had.Key == t.Key })
		if i < 0 {
			sec.Tags = append(sec.Tags, t)
		} else {
			sec.Tags[i] = t
		}
	}
	if len(sec.Tags) > maxTags {
		return fail("InvalidParameterException", "A secret can have at most %d tags.", maxTags)
	}
	return nil
}

// Versions.

func (s *Server) putSecretValue(in struct {
	valueRequest
	SecretId      string
	VersionStages []string
}) (answer, error) {
	if !in.given() {
		return nil, fail("InvalidRequestException", "You must provide either SecretString or SecretBinary.")
	}
	if err := in.check(); err != nil {
		return nil, err
	}
	stages := []string{current}
	if in.VersionStages != nil {
		stages = in.VersionStages
	}
	if err := awsjson.Between("versionStages", len(stages), 1, maxStages); err != nil {
		return nil, err
	}
	for _, stage := range stages {
		if err := awsjson.Between("versionStages", len(stage), 1, maxStage); err != nil {
			return nil, err
		}
	}
	sec, err := s.changeSecret(in.SecretId, func(sec *secret) error {
		return s.put(sec, in.valueRequest, stages)
	})
	if err != nil {
		return nil, err
	}
	out := sec.identity()
	out["VersionId"], out["VersionStages"] = in.ClientRequestToken, sec.stagesOf(in.ClientRequestToken)
	return out, nil
}

// valueOf names a version of a secret, by default the current one.
type valueOf struct{ SecretId, VersionId, VersionStage string }

func (s *Server) getSecretValue(in valueOf) (answer, error) {
	sec, err := s.kept().findLive(in.SecretId)
	if err != nil {
		return nil, err
	}
	id, stage := in.VersionId, in.VersionStage
	if id == "" {
		stage = cmp.Or(stage, current)
		if id = sec.Stages[stage]; id == "" {
			return nil, fail("ResourceNotFoundException", "Secrets Manager can't find the specified secret value for staging label: %s", stage)
		}
	}
	held, ok := sec.Versions[id]
	if !ok {
		return nil, fail("ResourceNotFoundException", noVersion, id)
	}
	if stage != "" && sec.Stages[stage] != id {
		return nil, fail("InvalidRequestException", "You provided a VersionStage that is not associated to the provided VersionId.")
	}
	plaintext, err := s.sealer.Open(sec.associatedData(id), held.Sealed)
	if err != nil {
		return nil, fmt.Errorf("open value: %w", err)
	}
	out := sec.identity()
	out["VersionId"], out["VersionStages"], out["CreatedDate"] = id, sec.stagesOf(id), epoch(held.CreatedAt)
	if held.Binary {
		out["SecretBinary"] = plaintext
	} else {
		out["SecretString"] = string(plaintext)
	}
	return out, nil
}

// batchGetSecretValue returns the current values of secrets that are named or match filters. What cannot be
// read is listed with its error, and fails nothing else.
func (s *Server) batchGetSecretValue(in struct {
	pageRequest
	SecretIdList []string
	Filters      filters
}) (answer, error) {
	if (len(in.SecretIdList) == 0) == (len(in.Filters) == 0) {
		return nil, fail("InvalidParameterException", "Either 'SecretIdList' or 'Filters' must be provided, but not both.")
	}
	if len(in.SecretIdList) > 0 && in.MaxResults != nil {
		return nil, fail("InvalidParameterException", "'MaxResults' can't be used with 'SecretIdList'.")
	}
	limit := maxBatch
	if in.MaxResults != nil {
		limit = *in.MaxResults
	}
	if err := cmp.Or(
		awsjson.Between("secretIdList", len(in.SecretIdList), 0, maxBatch),
		awsjson.Between("maxResults", limit, 1, maxBatch),
		in.Filters.check(),
	); err != nil {
		return nil, err
	}
	ids := in.SecretIdList
	if len(ids) == 0 {
		ids = s.kept().names(in.Filters, false)
	}
	in.MaxResults = &limit
	errs := []answer{}
	var internal error
	out, err := in.page("SecretValues", ids, func(id string) answer {
		value, err := s.getSecretValue(valueOf{SecretId: id})
		var known *awsjson.Error
		if errors.As(err, &known) {
			errs = append(errs, answer{"SecretId": id, "ErrorCode": known.Type, "Message": known.Message})
		} else if err != nil {
			internal = err
		}
		return value
	})
	if err = cmp.Or(err, internal); err != nil {
		return nil, err
	}
	values := out["SecretValues"].([]answer)
	out["SecretValues"] = slices.DeleteFunc(values, func(value answer) bool { return value == nil })
	out["Errors"] = errs
	return out, nil
}

func (s *Server) updateSecretVersionStage(in struct {
	SecretId, VersionStage, MoveToVersionId, RemoveFromVersionId string
}) (answer, error) {
	if err := awsjson.Between("versionStage", len(in.VersionStage), 1, maxStage); err != nil {
		return nil, err
	}
	sec, err := s.changeSecret(in.SecretId, func(sec *secret) error {
		sec.ChangedAt = s.Now().UTC()
		return sec.move(in.VersionStage, in.RemoveFromVersionId, in.MoveToVersionId)
	})
	if err != nil {
		return nil, err
	}
	return sec.identity(), nil
}

// move is a compare-and-swap of a label from one version to another. It fails unless the
// label is on the version from. Either version may be empty.
func (sec *secret) move(stage, from, to string) error {
	holder := sec.Stages[stage]
	_, known := sec.Versions[to]
	switch {
	case from == "" && to == "":
		return fail("InvalidParameterException", "You must specify MoveToVersionId or RemoveFromVersionId.")
	case to != "" && !known:
		return fail("ResourceNotFoundException", noVersion, to)
	case from == "" && holder != "" && holder != to:
		return fail("InvalidParameterException", "The parameter RemoveFromVersionId can't be empty. Staging label %s is currently attached to version %s, so you must explicitly reference that version in RemoveFromVersionId.", stage, holder)
	case from != "" && from != holder:
		return fail("InvalidParameterException", "When you move staging label %s, if you specify RemoveFromVersionId, it must be set to the version that currently has the staging label.", stage)
	case to == "" && stage == current:
		return fail("InvalidParameterException", "You can only move staging label %s to a different secret version. It can't be completely removed.", current)
	case to == "":
		delete(sec.Stages, stage)
		return nil
	}
	sec.attach(stage, to)
	return nil
}

func (s *Server) listSecretVersionIDs(in struct {
	pageRequest
	SecretId          string
	IncludeDeprecated bool
}) (answer, error) {
	sec, err := s.kept().find(in.SecretId)
	if err != nil {
		return nil, err
	}
	ids := slices.DeleteFunc(sec.versionIDs(), func(id string) bool {
		return !in.IncludeDeprecated && len(sec.stagesOf(id)) == 0
	})
	out, err := in.page("Versions", ids, func(id string) answer {
		v := answer{
			"VersionId": id, "CreatedDate": epoch(sec.Versions[id].CreatedAt),
			"KmsKeyIds": []string{cmp.Or(sec.KMSKeyID, "DefaultEncryptionKey")},
		}
		if stages := sec.stagesOf(id); len(stages) > 0 {
			v["VersionStages"] = stages
		}
		return v
	})
	if err != nil {
		return nil, err
	}
	maps.Copy(out, sec.identity())
	return out, nil
}

// page returns an answer whose member holds one page of the keys, each mapped by show.
// The token is the last key of the previous page.
func (in pageRequest) page(member string, keys []string, show func(key string) answer) (answer, error) {
	limit := maxPage
	if in.MaxResults != nil {
		limit = *in.MaxResults
	}
	if err := awsjson.Between("maxResults", limit, 1, maxPage); err != nil {
		return nil, err
	}
	if in.NextToken != "" {
		i := slices.Index(keys, in.NextToken)
		if i < 0 {
			return nil, fail("InvalidNextTokenException", "The NextToken is not one that this operation returned.")
		}
		keys = keys[i+1:]
	}
	out := answer{}
	if len(keys) > limit {
		keys = keys[:limit]
		out["NextToken"] = keys[limit-1]
	}
	shown := make([]answer, len(keys))
	for i, key := range keys {
		shown[i] = show(key)
	}
	out[member] = shown
	return out, nil
}

// epoch returns a time in the protocol's format: seconds since 1970.
func epoch(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
