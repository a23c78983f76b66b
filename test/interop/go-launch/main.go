// Command go-launch computes launch measurements of firmware files with google/gce-tcb-verifier: one
// JSON object a line on standard input, one a line on standard output.
package main

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/google/gce-tcb-verifier/sev"
	"github.com/google/gce-tcb-verifier/tdx"
)

// question names a firmware file; without processors it asks for MRTD, with them for the MEASUREMENT
// of an SEV-SNP guest on Google's machine monitor.
type question struct {
	Firmware   string
	Processors int
}

type answer struct {
	Digest string `json:"digest"`
	Error  string `json:"error"`
}

func measure(q *question) (digest []byte, err error) {
	firmware, err := os.ReadFile(q.Firmware)
	if err != nil {
		return nil, err
	}
	if q.Processors > 0 {
		options := sev.LaunchOptionsDefault()
		options.Vcpus = q.Processors
		return sev.LaunchDigest(options, firmware)
	}
	mrtd, err := tdx.MRTD(tdx.LaunchOptionsDefault(""), firmware)
	return mrtd[:], err
}

func main() {
	questions, answers := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		var q question
		err := questions.Decode(&q)
		if errors.Is(err, io.EOF) {
			return
		}
		var a answer
		if err == nil {
			var digest []byte
			if digest, err = measure(&q); err == nil {
				a.Digest = hex.EncodeToString(digest)
			} else {
				a.Error = err.Error()
			}
			err = answers.Encode(a)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
	}
}
