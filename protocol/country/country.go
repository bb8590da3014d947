// Package country is the list of countries that take part in GX, with their
// share of the genesis slots (domain.md 2.5, 10).
package country

import (
	"bytes"
	_ "embed"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"sync"
	"unicode/utf8"
)

// Country is one country of the list.
type Country struct {
	Code     string // ISO 3166-1 alpha-2
	Name     string
	Region   string
	WeightE8 uint64 // share of the genesis slots times 10^8
}

//go:embed data/countries.csv
var data []byte

var all = sync.OnceValue(func() []Country {
	list, err := Load(bytes.NewReader(data))
	if err != nil {
		panic(err) // the file is part of the binary
	}
	return list
})

// All returns the countries sorted by code. The slice is the caller's.
func All() []Country { return slices.Clone(all()) }

var header = []string{"code", "name", "region", "weight_e8"}

// Load reads a list in CSV with the header code,name,region,weight_e8. Codes
// must be two capital letters in ascending order, names and regions must not be
// empty, and weights must be decimal integers above 0. Errors name the line.
func Load(r io.Reader) ([]Country, error) {
	records := csv.NewReader(r)
	records.FieldsPerRecord = len(header)
	first, err := records.Read()
	if err != nil {
		return nil, fmt.Errorf("countries: header: %w", err)
	}
	if !slices.Equal(first, header) {
		return nil, fmt.Errorf("countries: header must be %q", header)
	}
	var list []Country
	for {
		record, err := records.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("countries: %w", err)
		}
		c, err := parse(record)
		if err == nil && len(list) > 0 && c.Code <= list[len(list)-1].Code {
			err = fmt.Errorf("code %s is not above the code before it", c.Code)
		}
		if err != nil {
			line, _ := records.FieldPos(0)
			return nil, fmt.Errorf("countries: line %d: %w", line, err)
		}
		list = append(list, c)
	}
	if len(list) == 0 {
		return nil, errors.New("countries: the list is empty")
	}
	return list, nil
}

func parse(record []string) (Country, error) {
	c := Country{Code: record[0], Name: record[1], Region: record[2]}
	if len(c.Code) != 2 || c.Code[0] < 'A' || c.Code[0] > 'Z' || c.Code[1] < 'A' || c.Code[1] > 'Z' {
		return Country{}, fmt.Errorf("code %q is not two capital letters", c.Code)
	}
	if c.Name == "" || c.Region == "" || !utf8.ValidString(c.Name) || !utf8.ValidString(c.Region) {
		return Country{}, fmt.Errorf("name and region of %s must be text", c.Code)
	}
	weight, err := strconv.ParseUint(record[3], 10, 64)
	if err != nil || weight == 0 || strconv.FormatUint(weight, 10) != record[3] {
		return Country{}, fmt.Errorf("weight %q of %s is not a decimal integer above 0", record[3], c.Code)
	}
	c.WeightE8 = weight
	return c, nil
}
