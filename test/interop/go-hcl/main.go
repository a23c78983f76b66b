// Command go-hcl parses Terraform files with hashicorp/hcl and prints one JSON object for each file
// that is named: its blocks, or what is wrong with it.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

type answer struct {
	Blocks []string `json:"blocks"`
	Error  string   `json:"error"`
}

func read(path string) answer {
	file, diagnostics := hclparse.NewParser().ParseHCLFile(path)
	if diagnostics.HasErrors() {
		return answer{Error: diagnostics.Error()}
	}
	body, ok := file.Body.(*hclsyntax.Body)
	if !ok {
		return answer{Error: "no HCL body"}
	}
	blocks := make([]string, 0, len(body.Blocks))
	for _, block := range body.Blocks {
		blocks = append(blocks, strings.Join(append([]string{block.Type}, block.Labels...), " "))
	}
	return answer{Blocks: blocks}
}

func main() {
	answers := json.NewEncoder(os.Stdout)
	for _, path := range os.Args[1:] {
		if err := answers.Encode(read(path)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
	}
}
