/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Splicing settings into JSON without touching the rest. The text is the operator's or a cluster's.
 *
 * It is parsed as a whole first, so the walk below runs over valid JSON alone; the walk only finds places.
 * Must never change a byte outside of the plugin's settings, nor drop a CA that is trusted already.
 */
#include "ctl/server_conf.h"

#include <string.h>

#include "base/json.h"
#include "spire/issuer.h"

/* A value's place in the text: [start, end). */
struct span {
	size_t start, end;
};

/* --- walking over valid JSON --- */

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static size_t skip_blanks(struct bytes text, size_t at)
{
	while (at < text.len && is_blank(text.data[at]))
		at++;
	return at;
}

static size_t skip_string(struct bytes text, size_t at)
{
	for (at++; at < text.len && text.data[at] != '"'; at++)
		if (text.data[at] == '\\')
			at++;
	return at < text.len ? at + 1 : text.len;
}

static bool ends_literal(uint8_t c)
{
	return is_blank(c) || c == ',' || c == ']' || c == '}';
}

static size_t skip_value(struct bytes text, size_t at)
{
	size_t depth = 0;
	while (at < text.len) {
		uint8_t c = text.data[at];
		if (c == '"') {
			at = skip_string(text, at);
		} else if (c == '{' || c == '[') {
			depth++;
			at++;
		} else if ((c == '}' || c == ']') && depth > 0) {
			depth--;
			at++;
		} else if (depth == 0) {
			while (at < text.len && !ends_literal(text.data[at]))
				at++;
		} else {
			at++;
			continue;
		}
		if (depth == 0)
			break;
	}
	return at;
}

static char kind(struct bytes text, struct span value)
{
	return value.start < value.end ? (char)text.data[value.start] : 0;
}

/* Members and elements; `name` is empty (start == end) in arrays. */
struct child {
	struct span name;
	struct span value;
};

/* The child at or behind `at`; false at the container's end. Begin with the place behind its bracket. */
static bool next_child(struct bytes text, struct span container, size_t *at, struct child *ret_child)
{
	size_t here = skip_blanks(text, *at);
	if (here < text.len && text.data[here] == ',')
		here = skip_blanks(text, here + 1);
	if (here + 1 >= container.end)
		return false;
	*ret_child = (struct child){ .name = { here, here } };
	if (kind(text, container) == '{') {
		ret_child->name.end = skip_string(text, here);
		here = skip_blanks(text, ret_child->name.end);
		here = skip_blanks(text, here + 1); /* the colon */
	}
	ret_child->value = (struct span){ here, skip_value(text, here) };
	*at = ret_child->value.end;
	return ret_child->value.end > ret_child->value.start;
}

static bool is_named(struct bytes text, const struct child *child, const char *name)
{
	size_t len = strlen(name);
	return child->name.end - child->name.start == len + 2 &&
	       memcmp(text.data + child->name.start + 1, name, len) == 0;
}

static bool find(struct bytes text, struct span object, const char *name, struct span *ret_value)
{
	struct child child;
	size_t at = object.start + 1;
	while (kind(text, object) == '{' && next_child(text, object, &at, &child)) {
		if (!is_named(text, &child, name))
			continue;
		*ret_value = child.value;
		return true;
	}
	return false;
}

/* HCL's JSON lets each object stand in a list. The one in it that has the member, or the first. Two that have it would
 * leave one as it is, and a CA in it trusted in its own way: refused. */
static int unwrap(struct bytes text, struct span *value, const char *member, const char *what, struct err *err)
{
	struct span chosen = { 0, 0 };
	struct span found;
	struct child child;
	bool seen = false;
	size_t at = value->start + 1;
	if (kind(text, *value) == '{')
		return 0;
	while (kind(text, *value) == '[' && next_child(text, *value, &at, &child)) {
		if (kind(text, child.value) != '{')
			return err_set(err, ERR_CONFIG, "'%s' is no list of objects", what);
		bool has = find(text, child.value, member, &found);
		if (has && seen)
			return err_set(err, ERR_CONFIG,
				       "'%s' holds two elements with '%s'; make one of them, which is then changed",
				       what, member);
		if (chosen.end == 0 || has)
			chosen = child.value;
		seen = seen || has;
	}
	if (chosen.end == 0)
		return err_set(err, ERR_CONFIG, "'%s' is no object", what);
	*value = chosen;
	return 0;
}

/* --- putting text in --- */

/* One change: what stands at `place` becomes the text. */
struct splice {
	struct span place;
	struct buf text;
};

static int splice_into(struct bytes text, const struct splice *splice, struct buf *out, struct err *err)
{
	if (buf_append(out, bytes_of(text.data, splice->place.start), err) < 0 ||
	    buf_append(out, buf_bytes(&splice->text), err) < 0)
		return -1;
	return buf_append(out, bytes_of(text.data + splice->place.end, text.len - splice->place.end), err);
}

/* Behind the last child, indented as that is. */
static int splice_append(struct bytes text, struct span container, const char *what, struct splice *splice,
			 struct err *err)
{
	struct child child;
	size_t at = container.start + 1;
	size_t gap = at;
	bool any = false;
	for (size_t before = at; next_child(text, container, &at, &child); before = at) {
		gap = before == container.start + 1 ? before : skip_blanks(text, before) + 1;
		any = true;
	}
	splice->place = (struct span){ at, at };
	if (any) {
		size_t first = child.name.end > child.name.start ? child.name.start : child.value.start;
		if (buf_append_byte(&splice->text, ',', err) < 0 ||
		    buf_append(&splice->text, bytes_of(text.data + gap, first - gap), err) < 0)
			return -1;
	}
	return buf_append_text(&splice->text, what, err);
}

static int quote(struct buf *out, const char *text, struct err *err)
{
	OWNED_JSON struct json *list = NULL;
	OWNED_BUF struct buf printed = BUF_INIT(2 * SERVER_CONF_MAX);
	if (json_new_array(&list, err) < 0 || json_add_string(list, NULL, text, err) < 0 ||
	    json_print(list, &printed, err) < 0)
		return -1;
	return buf_append(out, bytes_of(printed.data + 1, printed.len - 2), err);
}

/* --- the plugin's settings --- */

/* Ours, and what contradicts them. Others stay as they are. */
static bool is_ours(struct bytes text, const struct child *child)
{
	return is_named(text, child, "ca_bundle_path") || is_named(text, child, "ca_bundle_paths") ||
	       is_named(text, child, "agent_path_template");
}

static int add_path(struct json *paths, const char *path, struct err *err)
{
	for (const struct json *item = json_first(paths); item; item = json_next(item))
		if (strcmp(json_text(item), path) == 0)
			return 0;
	return json_add_string(paths, NULL, path, err);
}

/* The bundles that the plugin trusts now. */
static int read_paths(const struct json *data, struct json *paths, struct err *err)
{
	const struct json *one = json_member(data, "ca_bundle_path");
	const struct json *many = json_member(data, "ca_bundle_paths");
	if ((one && !json_text(one)) || (many && json_type(many) != JSON_ARRAY))
		return err_set(err, ERR_CONFIG, "x509pop's 'ca_bundle_path' or 'ca_bundle_paths' makes no sense");
	if (one && json_text(one)[0] && add_path(paths, json_text(one), err) < 0)
		return -1;
	for (const struct json *item = json_first(many); item; item = json_next(item)) {
		if (!json_text(item))
			return err_set(err, ERR_CONFIG, "x509pop's 'ca_bundle_paths' holds something else than texts");
		if (add_path(paths, json_text(item), err) < 0)
			return -1;
	}
	return 0;
}

static int put_paths(const struct json *paths, struct buf *out, struct err *err)
{
	if (json_count(paths) > 1)
		return buf_append_text(out, "\"ca_bundle_paths\":", err) < 0 ? -1 : json_print(paths, out, err);
	if (buf_append_text(out, "\"ca_bundle_path\":", err) < 0)
		return -1;
	return quote(out, json_text(json_first(paths)), err);
}

/* `data` in `text` is the old object; (0, 0) for none. */
static int put_data(struct bytes text, struct span data, const struct json *paths, struct buf *out, struct err *err)
{
	struct child child;
	size_t at = data.start + 1;
	if (buf_append_byte(out, '{', err) < 0 || put_paths(paths, out, err) < 0 ||
	    buf_append_text(out, ",\"agent_path_template\":", err) < 0 ||
	    quote(out, SPIRE_AGENT_PATH_TEMPLATE, err) < 0)
		return -1;
	while (data.end > 0 && next_child(text, data, &at, &child)) {
		if (is_ours(text, &child))
			continue;
		size_t len = child.value.end - child.name.start;
		if (buf_append_byte(out, ',', err) < 0 ||
		    buf_append(out, bytes_of(text.data + child.name.start, len), err) < 0)
			return -1;
	}
	return buf_append_byte(out, '}', err);
}

static int parse_span(struct bytes text, struct span span, struct json **ret_doc, struct err *err)
{
	return json_parse(bytes_of(text.data + span.start, span.end - span.start), SERVER_CONF_MAX, ret_doc, err);
}

static int check_data(const struct json *data, struct err *err)
{
	const char *mode = json_text(json_member(data, "mode"));
	if (!mode || !*mode || strcmp(mode, "external_pki") == 0)
		return 0;
	return err_set(
		err, ERR_CONFIG,
		"x509pop runs in the mode '%s', in which it trusts no CA of ours; a server has one x509pop plugin",
		mode);
}

static int check_plugin(const struct json *plugin, struct err *err)
{
	const struct json *enabled = json_member(plugin, "enabled");
	if (json_member(plugin, "plugin_data_file"))
		return err_set(err, ERR_CONFIG, "x509pop's settings are in a file of their own ('plugin_data_file')");
	if (json_member(plugin, "plugin_cmd"))
		return err_set(err, ERR_CONFIG, "x509pop is an external plugin ('plugin_cmd')");
	if (enabled && (json_type(enabled) != JSON_BOOL))
		return err_set(err, ERR_CONFIG, "x509pop's 'enabled' is no boolean");
	bool on = true;
	if (enabled && (json_get_bool(plugin, "enabled", &on, err) < 0 || !on))
		return err_set(err, ERR_CONFIG, "x509pop is there and disabled ('enabled')");
	return 0;
}

/* Does it say all that we would write? */
static bool is_settled(const struct json *data, const struct json *before, const struct json *after)
{
	const char *template = json_text(json_member(data, "agent_path_template"));
	return template && strcmp(template, SPIRE_AGENT_PATH_TEMPLATE) == 0 && json_count(before) == json_count(after);
}

static int merge_data(struct bytes text, struct span data, const char *ca_bundle_path, struct buf *out,
		      struct server_conf_note *note, struct err *err)
{
	OWNED_JSON struct json *doc = NULL;
	OWNED_JSON struct json *before = NULL;
	OWNED_JSON struct json *paths = NULL;
	if (data.end > 0 && parse_span(text, data, &doc, err) < 0)
		return -1;
	if (check_data(doc, err) < 0 || json_new_array(&before, err) < 0 || json_new_array(&paths, err) < 0 ||
	    read_paths(doc, before, err) < 0 || read_paths(doc, paths, err) < 0 ||
	    add_path(paths, ca_bundle_path, err) < 0)
		return -1;
	const char *template = json_text(json_member(doc, "agent_path_template"));
	note->changed = !is_settled(doc, before, paths);
	note->replaced_template =
		json_count(before) > 0 && (!template || strcmp(template, SPIRE_AGENT_PATH_TEMPLATE) != 0);
	return put_data(text, data, paths, out, err);
}

/* --- finding it --- */

static int merge_plugin(struct bytes text, struct span plugin, const char *ca_bundle_path, struct splice *splice,
			struct server_conf_note *note, struct err *err)
{
	OWNED_JSON struct json *doc = NULL;
	OWNED_BUF struct buf data = BUF_INIT(SERVER_CONF_MAX);
	OWNED_BUF struct buf member = BUF_INIT(SERVER_CONF_MAX);
	struct span place;
	if (unwrap(text, &plugin, "plugin_data", "x509pop", err) < 0 || parse_span(text, plugin, &doc, err) < 0 ||
	    check_plugin(doc, err) < 0)
		return -1;
	bool there = find(text, plugin, "plugin_data", &place);
	struct span old = { 0, 0 };
	if (there && kind(text, place) != 'n') {
		old = place;
		if (unwrap(text, &old, "ca_bundle_path", "plugin_data", err) < 0)
			return -1;
	}
	if (merge_data(text, old, ca_bundle_path, &data, note, err) < 0)
		return -1;
	if (there) {
		splice->place = old.end > 0 ? old : place;
		return buf_append(&splice->text, buf_bytes(&data), err);
	}
	if (buf_printf(&member, err, "\"plugin_data\":%s", buf_text(&data)) < 0)
		return -1;
	return splice_append(text, plugin, buf_text(&member), splice, err);
}

/* No x509pop yet: its member, with what goes around it. */
static int new_plugin(const char *before, const char *ca_bundle_path, const char *behind, struct buf *ret_member,
		      struct server_conf_note *note, struct err *err)
{
	if (buf_printf(ret_member, err, "%s\"x509pop\":{\"plugin_data\":", before) < 0 ||
	    merge_data(bytes_of(NULL, 0), (struct span){ 0, 0 }, ca_bundle_path, ret_member, note, err) < 0)
		return -1;
	return buf_printf(ret_member, err, "}%s", behind);
}

static int append_plugin(struct bytes text, struct span container, const char *before, const char *behind,
			 const char *ca_bundle_path, struct splice *splice, struct server_conf_note *note,
			 struct err *err)
{
	OWNED_BUF struct buf member = BUF_INIT(SERVER_CONF_MAX);
	if (new_plugin(before, ca_bundle_path, behind, &member, note, err) < 0)
		return -1;
	return splice_append(text, container, buf_text(&member), splice, err);
}

static int merge_attestors(struct bytes text, struct span attestors, const char *ca_bundle_path, struct splice *splice,
			   struct server_conf_note *note, struct err *err)
{
	struct span plugin;
	struct span list = attestors;
	if (kind(text, attestors) == '[' && text.data[skip_blanks(text, attestors.start + 1)] == ']')
		return append_plugin(text, attestors, "{", "}", ca_bundle_path, splice, note, err);
	if (unwrap(text, &attestors, "x509pop", "NodeAttestor", err) < 0)
		return -1;
	if (find(text, attestors, "x509pop", &plugin))
		return merge_plugin(text, plugin, ca_bundle_path, splice, note, err);
	bool in_list = kind(text, list) == '[';
	return append_plugin(text, list, in_list ? "{" : "", in_list ? "}" : "", ca_bundle_path, splice, note, err);
}

/* Names that are written with escapes mean the same to others and would be overlooked here. */
static int check_names(struct bytes text, struct span object, const char *what, struct err *err)
{
	struct child child;
	size_t at = object.start + 1;
	while (kind(text, object) == '{' && next_child(text, object, &at, &child))
		if (memchr(text.data + child.name.start, '\\', child.name.end - child.name.start))
			return err_set(err, ERR_CONFIG, "a name in %s is written with an escape", what);
	return 0;
}

static int find_plugins(struct bytes text, struct span *ret_plugins, struct err *err)
{
	struct span top = { skip_blanks(text, 0), 0 };
	top.end = skip_value(text, top.start);
	if (check_names(text, top, "the configuration", err) < 0)
		return -1;
	if (!find(text, top, "plugins", ret_plugins))
		return err_set(err, ERR_CONFIG, "there are no 'plugins': this is no configuration of a SPIRE server");
	if (unwrap(text, ret_plugins, "NodeAttestor", "plugins", err) < 0)
		return -1;
	return check_names(text, *ret_plugins, "'plugins'", err);
}

static int make_splice(struct bytes text, const char *ca_bundle_path, struct splice *splice,
		       struct server_conf_note *note, struct err *err)
{
	struct span plugins;
	struct span attestors;
	if (find_plugins(text, &plugins, err) < 0)
		return -1;
	if (find(text, plugins, "NodeAttestor", &attestors))
		return merge_attestors(text, attestors, ca_bundle_path, splice, note, err);
	return append_plugin(text, plugins, "\"NodeAttestor\":[{", "}]", ca_bundle_path, splice, note, err);
}

static int merge_conf(struct bytes text, const char *ca_bundle_path, struct buf *ret_text,
		      struct server_conf_note *note, struct err *err)
{
	struct splice splice = { .text = BUF_INIT(SERVER_CONF_MAX) };
	int rc = make_splice(text, ca_bundle_path, &splice, note, err);
	if (rc == 0)
		rc = note->changed ? splice_into(text, &splice, ret_text, err) : buf_append(ret_text, text, err);
	buf_done(&splice.text);
	return rc;
}

/* --- ConfigMaps --- */

static int merge_map(struct bytes text, const struct json *doc, const char *ca_bundle_path, struct buf *ret_text,
		     struct server_conf_note *note, struct err *err)
{
	static const char key[] = "server.conf";
	const char *conf = json_text(json_member(json_member(doc, "data"), key));
	OWNED_BUF struct buf merged = BUF_INIT(SERVER_CONF_MAX);
	OWNED_JSON struct json *inner = NULL;
	struct span top = { skip_blanks(text, 0), 0 };
	struct span data;
	struct splice splice = { .text = BUF_INIT(2 * SERVER_CONF_MAX) };
	top.end = skip_value(text, top.start);
	if (!conf || !find(text, top, "data", &data) || !find(text, data, key, &splice.place))
		return err_set(err, ERR_CONFIG, "the ConfigMap holds no '%s'", key);
	if (json_parse(bytes_of_text(conf), SERVER_CONF_MAX, &inner, err) < 0)
		return err_wrap(err, "'%s' in the ConfigMap", key);
	if (merge_conf(bytes_of_text(conf), ca_bundle_path, &merged, note, err) < 0)
		return -1;
	if (!note->changed)
		return buf_append(ret_text, text, err);
	int rc = quote(&splice.text, buf_text(&merged), err);
	if (rc == 0)
		rc = splice_into(text, &splice, ret_text, err);
	buf_done(&splice.text);
	return rc;
}

int server_conf_merge(struct bytes text, const char *ca_bundle_path, struct buf *ret_text,
		      struct server_conf_note *ret_note, struct err *err)
{
	OWNED_JSON struct json *doc = NULL;
	struct server_conf_note note = { .changed = false };
	if (json_parse(text, SERVER_CONF_MAX, &doc, err) < 0) {
		if (err)
			err->code = ERR_CONFIG;
		return err_wrap(err,
				"no JSON (a configuration in HCL takes the text of 'spire-config --format hcl'; of a "
				"ConfigMap take what 'kubectl get configmap NAME -o json' prints)");
	}
	const char *object_kind = json_text(json_member(doc, "kind"));
	int rc = object_kind && strcmp(object_kind, "ConfigMap") == 0
			 ? merge_map(text, doc, ca_bundle_path, ret_text, &note, err)
			 : merge_conf(text, ca_bundle_path, ret_text, &note, err);
	if (rc < 0 && err && err->code == ERR_PROTOCOL)
		err->code = ERR_CONFIG;
	if (rc == 0)
		*ret_note = note;
	return rc;
}
