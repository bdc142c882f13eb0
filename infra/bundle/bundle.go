// Package bundle makes the console's one script of its modules, with esbuild.
package bundle

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"github.com/evanw/esbuild/pkg/api"
)

// Script bundles web/main.js of the console's folder, everything that it imports, and the stylesheet.
// It returns the script and the paths of its sources, relative to the folder. The script is not
// minified, so that its changes can be reviewed.
func Script(folder string) (script []byte, sources []string, err error) {
	folder, err = filepath.Abs(folder)
	if err != nil {
		return nil, nil, err
	}
	result := api.Build(api.BuildOptions{
		AbsWorkingDir: folder,
		EntryPoints:   []string{"web/main.js"},
		Banner:        map[string]string{"js": `"use strict";`},
		Alias:         map[string]string{"preact": "./web/vendor/preact.module.js"}, // as hooks name it
		Bundle:        true,
		Charset:       api.CharsetUTF8,
		Format:        api.FormatIIFE, // nothing is global
		Loader:        map[string]api.Loader{".css": api.LoaderText},
		Metafile:      true,
		Target:        api.ES2022,
	})
	for _, message := range append(result.Errors, result.Warnings...) {
		err = errors.Join(err, errors.New(text(message)))
	}
	if err != nil {
		return nil, nil, err
	}
	sources, err = inputs(result.Metafile)
	return result.OutputFiles[0].Contents, sources, err
}

// text is a message with its place.
func text(m api.Message) string {
	if m.Location == nil {
		return m.Text
	}
	return fmt.Sprintf("%s:%d: %s", m.Location.File, m.Location.Line, m.Text)
}

// inputs returns the paths of a metafile's inputs, sorted.
func inputs(metafile string) ([]string, error) {
	var meta struct{ Inputs map[string]any }
	if err := json.Unmarshal([]byte(metafile), &meta); err != nil {
		return nil, err
	}
	return slices.Sorted(maps.Keys(meta.Inputs)), nil
}
