/* SPDX-License-Identifier: ISC */
/*
 * The settings document: see settings_json.h.  Pure: no message is sent, no connection used.
 */
#include "settings_json.h"

#include <stdlib.h>
#include <string.h>

#define SETTINGS_MAX 256
#define CHOICES_MAX 64
#define KEY_SIZE 128
#define WORD_SIZE 32
#define TEXT_MAX (256U << 10)

/* The choices, or NULL: the message is wrong. */
static json_t *
read_choices(struct wire_reader *r)
{
	char word[WORD_SIZE];
	json_t *choices = json_array();
	unsigned int n, i;

	n = wire_get_u16(r);
	for (i = 0; i < n && i < CHOICES_MAX; i++) {
		wire_get_string(r, word, sizeof(word), 1);
		json_array_append_new(choices, json_string(word));
	}
	if (n <= CHOICES_MAX && !r->failed)
		return choices;
	json_decref(choices);
	return NULL;
}

struct setting {
	char key[KEY_SIZE];
	char type[WORD_SIZE];
	char origin[WORD_SIZE];
	bool has_value;
	char *value;
	bool set;
	char *locked;
	json_t *choices;
	char *proposed;
};

static void
read_fields(struct setting *s, struct wire_reader *r)
{
	wire_get_string(r, s->key, sizeof(s->key), 1);
	wire_get_string(r, s->type, sizeof(s->type), 1);
	s->has_value = wire_get_u8(r) != 0;
	s->value = wire_get_string_dup(r, 0, TEXT_MAX);
	s->set = wire_get_u8(r) != 0;
	wire_get_string(r, s->origin, sizeof(s->origin), 1);
	s->locked = wire_get_string_dup(r, 0, TEXT_MAX);
	s->choices = read_choices(r);
	s->proposed = wire_get_string_dup(r, 0, TEXT_MAX);
}

static json_t *
setting_json(const struct setting *s, bool may_change)
{
	bool secret = strcmp(s->type, "secret") == 0;
	json_t *object;

	object = json_pack("{s:s,s:s,s:s,s:b}", "key", s->key, "type", s->type, "origin", s->origin,
	    "settable", may_change && s->locked[0] == '\0');
	if (object == NULL)
		return NULL;
	/* The parent sends none of a secret; if it did, it would end here. */
	if (s->has_value && !secret)
		json_object_set_new(object, "value", json_string(s->value));
	if (secret || strcmp(s->type, "certificates") == 0)
		json_object_set_new(object, "set", json_boolean(s->set));
	if (s->locked[0] != '\0')
		json_object_set_new(object, "locked", json_string(s->locked));
	if (json_array_size(s->choices) > 0)
		json_object_set(object, "choices", s->choices);
	if (s->proposed[0] != '\0')
		json_object_set_new(object, "proposed", json_string(s->proposed));
	return object;
}

static json_t *
read_setting(struct wire_reader *r, bool may_change)
{
	struct setting s;
	json_t *object = NULL;

	memset(&s, 0, sizeof(s));
	read_fields(&s, r);
	if (!r->failed && s.choices != NULL)
		object = setting_json(&s, may_change);
	free(s.value);
	free(s.locked);
	free(s.proposed);
	json_decref(s.choices);
	return object;
}

json_t *
settings_document(struct wire_reader *r, bool may_change)
{
	json_t *list, *setting;
	unsigned int n, i;
	bool revertible;

	revertible = wire_get_u8(r) != 0;
	if ((n = wire_get_u16(r)) > SETTINGS_MAX)
		return NULL;
	list = json_array();
	for (i = 0; i < n; i++) {
		if ((setting = read_setting(r, may_change)) == NULL) {
			json_decref(list);
			return NULL;
		}
		json_array_append_new(list, setting);
	}
	if (wire_end(r) == -1) {
		json_decref(list);
		return NULL;
	}
	return json_pack("{s:b,s:o}", "revertible", revertible, "settings", list);
}
