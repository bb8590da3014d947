package country

import (
	"bytes"
	"encoding/csv"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The facts of domain.md 10.
func TestAll(t *testing.T) {
	list := All()
	regions := map[string]int{}
	weights := map[string]uint64{}
	var sum uint64
	for _, c := range list {
		regions[c.Region]++
		weights[c.Code] = c.WeightE8
		sum += c.WeightE8
	}
	if len(list) != 234 || len(weights) != 234 || sum != 100_000_003 {
		t.Errorf("%d countries with %d codes, sum of weights %d", len(list), len(weights), sum)
	}
	want := map[string]int{"Africa": 57, "Asia": 50, "Europe": 50, "North America": 40, "Oceania": 23, "South America": 14}
	if diff := cmp.Diff(want, regions); diff != "" {
		t.Error(diff)
	}
	for code, w := range map[string]uint64{"IN": 13464767, "CN": 13025376, "US": 3194266, "VA": 7, "IL": 21885} {
		if weights[code] != w {
			t.Errorf("%s weighs %d, want %d", code, weights[code], w)
		}
	}
	if _, ok := weights["XK"]; ok {
		t.Error("XK has no share")
	}
	list[0].Name = "changed"
	if All()[0].Name == "changed" {
		t.Error("callers share the list")
	}
}

const good = "code,name,region,weight_e8\nAD,Andorra,Europe,1181\nKR,\"Korea, South\",Asia,651000\n"

func TestLoad(t *testing.T) {
	got, err := Load(strings.NewReader(good))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Country{{"AD", "Andorra", "Europe", 1181}, {"KR", "Korea, South", "Asia", 651000}}, got); diff != "" {
		t.Error(diff)
	}
	for name, c := range map[string]struct{ text, want string }{
		"empty":           {"", "header"},
		"other header":    {"code,name,weight_e8,region\n", "header"},
		"only a header":   {"code,name,region,weight_e8\n", "empty"},
		"a column less":   {good + "LK,Sri Lanka,Asia\n", "line 4"},
		"a column more":   {good + "LK,Sri Lanka,Asia,1,2\n", "line 4"},
		"small code":      {good + "lk,Sri Lanka,Asia,1\n", "line 4"},
		"long code":       {good + "LKA,Sri Lanka,Asia,1\n", "line 4"},
		"twice":           {good + "KR,Sri Lanka,Asia,1\n", "line 4: code KR is not above"},
		"not sorted":      {good + "AE,Emirates,Asia,1\n", "line 4: code AE is not above"},
		"no name":         {good + "LK,,Asia,1\n", "line 4"},
		"no region":       {good + "LK,Sri Lanka,,1\n", "line 4"},
		"not text":        {good + "LK,\xff,Asia,1\n", "line 4"},
		"no weight":       {good + "LK,Sri Lanka,Asia,\n", "weight"},
		"zero weight":     {good + "LK,Sri Lanka,Asia,0\n", "weight"},
		"fraction":        {good + "LK,Sri Lanka,Asia,1.5\n", "weight"},
		"negative":        {good + "LK,Sri Lanka,Asia,-1\n", "weight"},
		"leading zero":    {good + "LK,Sri Lanka,Asia,01\n", "weight"},
		"above 64 bits":   {good + "LK,Sri Lanka,Asia,18446744073709551616\n", "weight"},
		"an open quote":   {good + "LK,\"Sri Lanka,Asia,1\n", "countries"},
		"line of a quote": {"code,name,region,weight_e8\nAD,\"And\norra\",Europe,1\nAA,x,y,1\n", "line 4"},
	} {
		if got, err := Load(strings.NewReader(c.text)); err == nil || !strings.Contains(err.Error(), c.want) || got != nil {
			t.Errorf("%s: %v, %v; want %q", name, got, err, c.want)
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(data)
	f.Add([]byte(good))
	f.Add([]byte("code,name,region,weight_e8\nAD,\"a\"\"b\",Europe,18446744073709551615\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		list, err := Load(bytes.NewReader(text))
		if err != nil {
			return
		}
		// What was read writes a list that reads the same.
		var out bytes.Buffer
		w := csv.NewWriter(&out)
		_ = w.Write(header)
		for _, c := range list {
			_ = w.Write([]string{c.Code, c.Name, c.Region, strconv.FormatUint(c.WeightE8, 10)})
		}
		w.Flush()
		again, err := Load(&out)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(list, again); diff != "" {
			t.Error(diff)
		}
	})
}
