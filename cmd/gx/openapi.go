package main

import (
	"encoding/json"

	"gxcoin.money/gx/api/openapi"
	"gxcoin.money/gx/internal/service"
)

type openapiCmd struct {
	Name string `arg:"" optional:"" enum:"all,${services}" default:"all" help:"One of the seven services; without, all of them behind one host."`
}

// Run prints the OpenAPI document.
func (c openapiCmd) Run(p *program) error {
	documents := map[string][]byte{}
	for _, d := range service.Doors {
		raw, err := service.Document(d.Name, "v1")
		if err != nil {
			return err
		}
		documents[d.Name] = raw
	}
	if c.Name == "all" {
		merged, err := openapi.Merge(documents)
		if err != nil {
			return err
		}
		_, err = p.stdout.Write(merged)
		return err
	}
	var document any
	if err := json.Unmarshal(documents[c.Name], &document); err != nil {
		return err
	}
	formatted, err := openapi.Format(document)
	if err != nil {
		return err
	}
	_, err = p.stdout.Write(formatted)
	return err
}
