package ledgertest

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"gxcoin.money/gx/contract"
)

// functions of the suite's chaincode. Values are texts; an absent key reads as "".
var functions = map[string]func(s contract.Stub, args []string) (string, error){
	// Get KEY returns its value.
	"Test:Get": func(s contract.Stub, a []string) (string, error) { return get(s, a[0]) },

	// GetMany KEY... returns the values, separated by commas.
	"Test:GetMany": func(s contract.Stub, keys []string) (string, error) {
		values, err := s.GetMany(keys)
		var out []string
		for _, v := range values {
			out = append(out, string(v))
		}
		return strings.Join(out, ","), err
	},

	// Put KEY VALUE ... writes without reading.
	"Test:Put": func(s contract.Stub, a []string) (string, error) {
		for ; len(a) > 0; a = a[2:] {
			if err := s.Put(a[0], []byte(a[1])); err != nil {
				return "", err
			}
		}
		return "", nil
	},

	// Delete KEY deletes without reading.
	"Test:Delete": func(s contract.Stub, a []string) (string, error) { return "", s.Delete(a[0]) },

	// Replace KEY VALUE reads the key, writes it and returns what it reads then.
	"Test:Replace": func(s contract.Stub, a []string) (string, error) {
		if _, err := get(s, a[0]); err != nil {
			return "", err
		}
		if err := s.Put(a[0], []byte(a[1])); err != nil {
			return "", err
		}
		return get(s, a[0])
	},

	// Own KEY VALUE PREFIX writes the key and returns what reads of every kind see of it.
	"Test:Own": func(s contract.Stub, a []string) (string, error) {
		if err := s.Put(a[0], []byte(a[1])); err != nil {
			return "", err
		}
		one, err := get(s, a[0])
		if err != nil {
			return "", err
		}
		many, err := s.GetMany([]string{a[0]})
		if err != nil {
			return "", err
		}
		all, err := scan(s, a[2], a[2]+"\xf4\x8f\xbf\xbf", 0)
		return fmt.Sprintf("%s,%s,%s", one, many[0], strings.Join(all, " ")), err
	},

	// Add KEY NUMBER adds to a number and returns the sum.
	"Test:Add": func(s contract.Stub, a []string) (string, error) {
		n, err := number(s, a[0])
		if err != nil {
			return "", err
		}
		sum := strconv.Itoa(n + atoi(a[1]))
		return sum, s.Put(a[0], []byte(sum))
	},

	// Transfer FROM TO NUMBER refuses to overdraw.
	"Test:Transfer": func(s contract.Stub, a []string) (string, error) {
		from, err := number(s, a[0])
		if err != nil {
			return "", err
		}
		to, err := number(s, a[1])
		if err != nil {
			return "", err
		}
		n := atoi(a[2])
		if from < n {
			return "", fmt.Errorf("INSUFFICIENT_FUNDS: %d is less than %d", from, n)
		}
		if a[0] == a[1] {
			return "", nil
		}
		if err := s.SetEvent("Transferred", []byte(strings.Join(a, " "))); err != nil {
			return "", err
		}
		if err := s.Put(a[0], []byte(strconv.Itoa(from-n))); err != nil {
			return "", err
		}
		return "", s.Put(a[1], []byte(strconv.Itoa(to+n)))
	},

	// Scan START END LIMIT returns "key=value" lines.
	"Test:Scan": func(s contract.Stub, a []string) (string, error) {
		lines, err := scan(s, a[0], a[1], atoi(a[2]))
		return strings.Join(lines, "\n"), err
	},

	// Count START END KEY writes to KEY how many keys the range has.
	"Test:Count": func(s contract.Stub, a []string) (string, error) {
		lines, err := scan(s, a[0], a[1], 0)
		if err != nil {
			return "", err
		}
		count := strconv.Itoa(len(lines))
		return count, s.Put(a[2], []byte(count))
	},

	// First START END KEY stops at the first key of the range and writes it to KEY.
	"Test:First": func(s contract.Stub, a []string) (string, error) {
		first := "none"
		err := s.Scan(a[0], a[1], 0, func(key string, _ []byte) bool {
			first = key
			return false
		})
		if err != nil {
			return "", err
		}
		return first, s.Put(a[2], []byte(first))
	},

	// Event NAME PAYLOAD ... sets events, one after the other.
	"Test:Event": func(s contract.Stub, a []string) (string, error) {
		for ; len(a) > 0; a = a[2:] {
			if err := s.SetEvent(a[0], []byte(a[1])); err != nil {
				return "", err
			}
		}
		return "", nil
	},

	// Fail KEY MESSAGE writes, sets an event and then refuses.
	"Test:Fail": func(s contract.Stub, a []string) (string, error) {
		if err := s.Put(a[0], []byte("written")); err != nil {
			return "", err
		}
		if err := s.SetEvent("Failed", nil); err != nil {
			return "", err
		}
		return "", errors.New(a[1])
	},

	// Context returns what the stub knows of the proposal.
	"Test:Context": func(s contract.Stub, a []string) (string, error) {
		c := s.Caller()
		return strings.Join([]string{s.TxID(), s.Time().Format(time.RFC3339Nano), s.Channel(), c.MSP, string(c.Role), c.ID}, "\n"), nil
	},

	// Digest TO START END KEY... writes to TO, and sends as an event, a digest of
	// the range and of the keys: whatever it reads shows in the outcome. Without a
	// single value it deletes TO.
	"Test:Digest": func(s contract.Stub, a []string) (string, error) {
		seen, err := scan(s, a[1], a[2], 0)
		if err != nil {
			return "", err
		}
		values, err := s.GetMany(a[3:])
		if err != nil {
			return "", err
		}
		for i, v := range values {
			if v != nil {
				seen = append(seen, a[3+i]+"="+string(v))
			}
		}
		if len(seen) == 0 {
			return "nothing", s.Delete(a[0])
		}
		sum := sha256.Sum256([]byte(strings.Join(seen, "\n")))
		text := hex.EncodeToString(sum[:6])
		if err := s.SetEvent("Digested", []byte(text)); err != nil {
			return "", err
		}
		return text, s.Put(a[0], []byte(text))
	},
}

// chaincode is the contract.Chaincode of the suite.
func chaincode(s contract.Stub, function string, args []string) ([]byte, error) {
	f, ok := functions[function]
	if !ok {
		return nil, fmt.Errorf("NOT_FOUND: no function %s", function)
	}
	out, err := f(s, args)
	if err != nil {
		return nil, err
	}
	return []byte(out), nil
}

func get(s contract.Stub, key string) (string, error) {
	v, err := s.Get(key)
	return string(v), err
}

func number(s contract.Stub, key string) (int, error) {
	text, err := get(s, key)
	if err != nil || text == "" {
		return 0, err
	}
	return strconv.Atoi(text)
}

func scan(s contract.Stub, start, end string, limit int) (lines []string, err error) {
	err = s.Scan(start, end, limit, func(key string, value []byte) bool {
		lines = append(lines, key+"="+string(value))
		return true
	})
	return lines, err
}

// atoi reads a number that the suite itself wrote.
func atoi(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		panic(err)
	}
	return n
}
