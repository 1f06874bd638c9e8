// Reads {"document": ..., "answers": [{"schema": ..., "value": ..., "what": ...}]} and prints the faults as a JSON array of
// texts: of the document as OpenAPI, then of each answer against its schema, whose references point into the document.
// Run with the folder of the validator's node_modules as argument.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const fetched = createRequire(process.argv[2] + "/package.json");
const { Validator } = await import(pathToFileURL(fetched.resolve("@seriousme/openapi-schema-validator")));
const Ajv = fetched("ajv/dist/2020.js").default;

const { document, answers } = JSON.parse(readFileSync(0, "utf8"));
const faults = [];

const result = await new Validator().validate(structuredClone(document));
if (!result.valid)
	faults.push("document: " + JSON.stringify(result.errors).slice(0, 4000));

const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: false });
ajv.addSchema({ $id: "emco:document", components: document.components });
const absolute = (node) => JSON.parse(JSON.stringify(node).replaceAll('"#/components/', '"emco:document#/components/'));
const compiled = new Map();
for (const { schema, value, what } of answers) {
	const key = JSON.stringify(schema);
	if (!compiled.has(key))
		compiled.set(key, ajv.compile(absolute(schema)));
	const check = compiled.get(key);
	if (!check(value))
		faults.push(what + ": " + ajv.errorsText(check.errors));
}
console.log(JSON.stringify(faults));
