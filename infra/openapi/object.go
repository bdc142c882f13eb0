package openapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"
)

// ordered is a mapping that keeps its order, as readers of the document see it.
type ordered[T any] []entry[T]

type entry[T any] struct {
	key   string
	value T
}

// object is a part of the document: a JSON object whose values are objects, []any, and scalars.
type object = ordered[any]

// UnmarshalYAML reads a mapping. A merge key ("<<") adds what the mapping itself lacks.
func (o *ordered[T]) UnmarshalYAML(node *yaml.Node) error {
	node = target(node)
	if node.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: want a mapping", node.Line)
	}
	var merged ordered[T]
	for i := 0; i < len(node.Content); i += 2 {
		key, at := node.Content[i].Value, node.Content[i+1]
		if key == "<<" {
			if err := merged.UnmarshalYAML(at); err != nil {
				return err
			}
			continue
		}
		var value T
		var err error
		switch into := any(&value).(type) {
		case *any:
			*into, err = plain(at)
		case *object:
			err = into.UnmarshalYAML(at)
		default:
			err = strictly(target(at), into)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		if i := merged.index(key); i >= 0 { // it keeps the place that it has in the merged mapping
			merged[i].value = value
			continue
		}
		if err := o.add(ordered[T]{{key, value}}); err != nil {
			return err
		}
	}
	return o.add(merged)
}

// strictly decodes a node. An unknown key is an error, which only a decoder of text can be asked for.
func strictly(node *yaml.Node, into any) error {
	text, err := yaml.Marshal(node)
	if err != nil {
		return err
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	return decoder.Decode(into)
}

// target follows an alias.
func target(node *yaml.Node) *yaml.Node {
	if node.Kind == yaml.AliasNode {
		return node.Alias
	}
	return node
}

// plain is a node as a part of the document.
func plain(node *yaml.Node) (part any, err error) {
	switch node = target(node); node.Kind {
	case yaml.MappingNode:
		o := object{}
		err = o.UnmarshalYAML(node)
		return o, err
	case yaml.SequenceNode:
		list := make([]any, len(node.Content))
		for i, n := range node.Content {
			if list[i], err = plain(n); err != nil {
				return nil, err
			}
		}
		return list, nil
	}
	err = node.Decode(&part)
	return part, err
}

// MarshalJSON keeps the order, and leaves <, > and & as they are if the encoder around it does.
func (o ordered[T]) MarshalJSON() ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	text.WriteByte('{')
	for i, e := range o {
		if i > 0 {
			text.WriteByte(',')
		}
		if err := encoder.Encode(e.key); err != nil {
			return nil, err
		}
		text.WriteByte(':')
		if err := encoder.Encode(e.value); err != nil {
			return nil, err
		}
	}
	text.WriteByte('}')
	return text.Bytes(), nil
}

// add appends entries with keys that o does not have.
func (o *ordered[T]) add(more ordered[T]) error {
	for _, e := range more {
		if o.index(e.key) >= 0 {
			return errors.New(e.key + " is there twice")
		}
		*o = append(*o, e)
	}
	return nil
}

func (o ordered[T]) index(key string) int {
	return slices.IndexFunc(o, func(e entry[T]) bool { return e.key == key })
}

// get returns the value of a key, or the zero value.
func (o ordered[T]) get(key string) (value T) {
	if i := o.index(key); i >= 0 {
		value = o[i].value
	}
	return value
}

// without returns o without a key.
func (o ordered[T]) without(key string) ordered[T] {
	return slices.DeleteFunc(slices.Clone(o), func(e entry[T]) bool { return e.key == key })
}
