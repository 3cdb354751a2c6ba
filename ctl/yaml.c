/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing YAML. What is quoted may hold anything that is UTF-8.
 */
#include "ctl/yaml.h"

#include "base/encode.h"
#include "base/json.h"

#define TEXT_MAX (4u << 20)

static int append_scalar(struct buf *out, const char *text, struct err *err)
{
	OWNED_JSON struct json *list = NULL;
	OWNED_BUF struct buf printed = BUF_INIT(TEXT_MAX);
	if (json_new_array(&list, err) < 0 || json_add_string(list, NULL, text, err) < 0 ||
	    json_print(list, &printed, err) < 0)
		return -1;
	return buf_append(out, bytes_of(printed.data + 1, printed.len - 2), err); /* without the brackets */
}

int yaml_line(struct buf *out, const char *head, const char *text, struct err *err)
{
	if (buf_append_text(out, head, err) < 0 || append_scalar(out, text, err) < 0)
		return -1;
	return buf_append_text(out, "\n", err);
}

int yaml_object(struct buf *out, enum yaml_kind kind, const char *name_space, const char *name, const char *notes,
		struct err *err)
{
	if (buf_printf(out, err, "---\napiVersion: v1\nkind: %s\nmetadata:\n",
		       kind == YAML_SECRET ? "Secret" : "ConfigMap") < 0 ||
	    yaml_line(out, "  name: ", name, err) < 0 || yaml_line(out, "  namespace: ", name_space, err) < 0 ||
	    (notes && buf_append_text(out, notes, err) < 0))
		return -1;
	return buf_append_text(out, kind == YAML_SECRET ? "type: Opaque\ndata:\n" : "data:\n", err);
}

int yaml_data(struct buf *out, enum yaml_kind kind, const char *key, struct bytes value, struct err *err)
{
	OWNED_BUF struct buf text = BUF_INIT(TEXT_MAX);
	if ((kind == YAML_SECRET ? base64_encode(BASE64, value, &text, err) : buf_append(&text, value, err)) < 0 ||
	    buf_printf(out, err, "  %s: ", key) < 0)
		return -1;
	return yaml_line(out, "", buf_text(&text), err);
}
