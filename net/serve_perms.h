/*
 * Row permissions: `read("user:alice")` and the like, kept as one blob of NUL-terminated texts.
 * Source: appwrite's Permission and Role helpers, as its answers show them.
 * Threading: pure functions.
 */
#ifndef AVJ_SERVE_PERMS_H
#define AVJ_SERVE_PERMS_H

#include "net/text.h"

#include <jansson.h>

/* Longest permission text; longer ones are refused. */
#define AVJ_PERM_MAX 200

/* True where `blob` lets the user (NULL: a guest) do `action` (read, update, delete). */
bool avj_perms_allow(const char *blob, size_t len, const char *action, const char *user);

/* read, update and delete for the user. */
void avj_perms_default(struct avj_text *out, const char *user);

enum avj_perms_result {
    AVJ_PERMS_OK,
    AVJ_PERMS_MALFORMED,
    AVJ_PERMS_FOREIGN /* a role that the user does not have */
};

/* Appends the blob of a JSON array, `write` expanded to update and delete, doubles left out. */
enum avj_perms_result avj_perms_parse(const json_t *list, const char *user, struct avj_text *out);

/* "any, users, user:alice, ..." of a user, or of a guest. */
void avj_perms_roles(const char *user, struct avj_text *out);

/* As a JSON array. */
void avj_perms_json(struct avj_text *out, const char *blob, size_t len);

#endif
