package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"gxcoin.money/gx/internal/platform/datadir"
)

// newmanPath is where "make newman" puts the program.
const newmanPath = "../../.bin/newman/node_modules/.bin/newman"

// newman READYFILE PASSWORDFILE plays the Postman collection on a system; the
// password of staff is in a file of the environment, never in an argument.
func newman(ts *testscript.TestScript, _ bool, args []string) {
	var r datadir.Running
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &r))
	content, err := os.ReadFile("../../api/postman/gx.postman_environment.json")
	ts.Check(err)
	var environment map[string]any
	ts.Check(json.Unmarshal(content, &environment))
	for _, v := range environment["values"].([]any) {
		v := v.(map[string]any)
		if service, ok := strings.CutSuffix(v["key"].(string), "Url"); ok {
			v["value"] = r.Services[service]
		}
		switch v["key"] {
		case "staffUser":
			v["value"] = r.StaffUser
		case "staffPassword":
			v["value"] = strings.TrimSpace(ts.ReadFile(args[1]))
		}
	}
	content, err = json.Marshal(environment)
	ts.Check(err)
	file := ts.MkAbs("environment.json")
	ts.Check(os.WriteFile(file, content, 0o600))
	program, err := filepath.Abs(newmanPath)
	ts.Check(err)
	out, err := exec.CommandContext(testOf(ts).Context(), program, "run", "../../api/postman/gx.postman_collection.json",
		"--environment", file, "--color", "off", "--disable-unicode", "--timeout", "120000", "--reporter-cli-no-success-assertions").CombinedOutput()
	ts.Logf("%s", out)
	ts.Check(err)
}
