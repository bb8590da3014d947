package fabric

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"gxcoin.money/gx/contract"
)

// refuses is the file in the directory of a server that makes it refuse.
const refuses = "refuses"

// counter is the chaincode of the tests on networks whose servers are processes.
func counter(s contract.Stub, function string, args []string) ([]byte, error) {
	switch function {
	case "add": // KEY: counts the calls and sends the key as an event
		if _, err := os.Stat(refuses); err == nil {
			return nil, errors.New("NOT_ELIGIBLE: not here")
		}
		value, err := s.Get(args[0])
		if err != nil {
			return nil, err
		}
		n := 0
		if value != nil {
			if n, err = strconv.Atoi(string(value)); err != nil {
				return nil, err
			}
		}
		value = []byte(strconv.Itoa(n + 1))
		if err := s.SetEvent("Added", []byte(args[0])); err != nil {
			return nil, err
		}
		return value, s.Put(args[0], value)
	case "get": // KEY
		return s.Get(args[0])
	case "role":
		return []byte(s.Caller().Role), nil
	case "process": // differs from server to server
		return []byte(strconv.Itoa(os.Getpid())), s.Put("process", []byte(strconv.Itoa(os.Getpid())))
	case "refuse": // ADDRESS: the server there refuses
		if os.Getenv("CHAINCODE_SERVER_ADDRESS") == args[0] {
			return nil, fmt.Errorf("NOT_ELIGIBLE: not here")
		}
		return nil, s.Put("refused", []byte("no"))
	}
	return nil, fmt.Errorf("NOT_FOUND: %s", function)
}
