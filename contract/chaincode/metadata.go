package chaincode

import (
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"

	"gxcoin.money/gx/contract"
)

// metadata is the description of contracts that Fabric's clients read.
type metadata struct {
	Info      info                        `json:"info"`
	Contracts map[string]contractMetadata `json:"contracts"`
}

type info struct {
	Title   string `json:"title"`
	Version string `json:"version"`
}

type contractMetadata struct {
	Name         string        `json:"name"`
	Transactions []transaction `json:"transactions"`
}

type transaction struct {
	Name       string      `json:"name"`
	Parameters []parameter `json:"parameters,omitempty"`
	Tag        []string    `json:"tag"` // "submit" or "evaluate"
}

type parameter struct {
	Name   string     `json:"name"`
	Schema typeSchema `json:"schema"`
}

type typeSchema struct {
	Type string `json:"type"`
}

// Metadata describes functions as an answer to MetadataFunction.
func Metadata(functions []contract.Function, version string) ([]byte, error) {
	m := metadata{Info: info{"GX", version}, Contracts: make(map[string]contractMetadata)}
	for _, f := range functions {
		of, name, ok := strings.Cut(f.Name, ":")
		if !ok {
			return nil, fmt.Errorf("chaincode: function %q is of no contract", f.Name)
		}
		t := transaction{Name: name, Tag: []string{"submit"}}
		if f.Kind == contract.KindQuery {
			t.Tag = []string{"evaluate"}
		}
		for _, a := range f.Args {
			t.Parameters = append(t.Parameters, parameter{a, typeSchema{"string"}})
		}
		c := m.Contracts[of]
		c.Name, c.Transactions = of, append(c.Transactions, t)
		m.Contracts[of] = c
	}
	return json.Marshal(m, json.Deterministic(true))
}
