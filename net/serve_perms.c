/* Row permissions (serve_perms.h). */
#include "net/serve_perms.h"

#include <stdio.h>
#include <string.h>

static bool text_is(const char *data, size_t len, const char *text)
{
    return strlen(text) == len && memcmp(data, text, len) == 0;
}

/* Splits `action("role")`. */
static bool split(const char *perm, size_t len, size_t *action_len, const char **role,
                  size_t *role_len)
{
    const char *open = memchr(perm, '(', len);
    if (!open || open == perm)
        return false;
    *action_len = (size_t)(open - perm);
    size_t rest = len - *action_len;
    if (rest < 5 || open[1] != '"' || memcmp(open + rest - 2, "\")", 2) != 0)
        return false;
    *role = open + 2;
    *role_len = rest - 4;
    return true;
}

static bool has_role(const char *user, const char *role, size_t len)
{
    if (text_is(role, len, "any"))
        return true;
    if (!user)
        return text_is(role, len, "guests");
    if (text_is(role, len, "users") || text_is(role, len, "users/unverified"))
        return true;
    size_t user_len = strlen(user);
    if (len < 5 + user_len || memcmp(role, "user:", 5) != 0 ||
        memcmp(role + 5, user, user_len) != 0)
        return false;
    return text_is(role + 5 + user_len, len - 5 - user_len, "") ||
           text_is(role + 5 + user_len, len - 5 - user_len, "/unverified");
}

bool avj_perms_allow(const char *blob, size_t len, const char *action, const char *user)
{
    for (size_t at = 0; at < len;) {
        size_t perm_len = strlen(blob + at), action_len, role_len;
        const char *role;
        if (split(blob + at, perm_len, &action_len, &role, &role_len) &&
            text_is(blob + at, action_len, action) && has_role(user, role, role_len))
            return true;
        at += perm_len + 1;
    }
    return false;
}

static bool contains(const struct avj_text *blob, size_t from, const char *perm)
{
    for (size_t at = from; at < blob->len; at += strlen(blob->data + at) + 1)
        if (strcmp(blob->data + at, perm) == 0)
            return true;
    return false;
}

static void add(struct avj_text *out, size_t from, const char *action, size_t action_len,
                const char *role, size_t role_len)
{
    char perm[AVJ_PERM_MAX + 8];
    int len = snprintf(perm, sizeof(perm), "%.*s(\"%.*s\")", (int)action_len, action, (int)role_len,
                       role);
    if (!contains(out, from, perm))
        avj_text_add(out, perm, (size_t)len + 1);
}

void avj_perms_default(struct avj_text *out, const char *user)
{
    char role[AVJ_PERM_MAX];
    int len = snprintf(role, sizeof(role), "user:%s", user);
    size_t from = out->len;
    add(out, from, "read", 4, role, (size_t)len);
    add(out, from, "update", 6, role, (size_t)len);
    add(out, from, "delete", 6, role, (size_t)len);
}

static bool is_action(const char *action, size_t len)
{
    return text_is(action, len, "read") || text_is(action, len, "update") ||
           text_is(action, len, "delete") || text_is(action, len, "write");
}

enum avj_perms_result avj_perms_parse(const json_t *list, const char *user, struct avj_text *out)
{
    size_t i, from = out->len;
    json_t *item;
    if (!json_is_array(list))
        return AVJ_PERMS_MALFORMED;
    json_array_foreach(list, i, item)
    {
        const char *perm = json_string_value(item), *role;
        size_t len = json_string_length(item), action_len, role_len;
        if (!perm || len > AVJ_PERM_MAX || !split(perm, len, &action_len, &role, &role_len) ||
            !is_action(perm, action_len))
            return AVJ_PERMS_MALFORMED;
        if (!has_role(user, role, role_len))
            return AVJ_PERMS_FOREIGN;
        if (text_is(perm, action_len, "write")) {
            add(out, from, "update", 6, role, role_len);
            add(out, from, "delete", 6, role, role_len);
        } else {
            add(out, from, perm, action_len, role, role_len);
        }
    }
    return AVJ_PERMS_OK;
}

void avj_perms_roles(const char *user, struct avj_text *out)
{
    if (user)
        avj_text_printf(out, "any, users, user:%s, user:%s/unverified, users/unverified", user,
                        user);
    else
        avj_text_puts(out, "any, guests");
}

void avj_perms_json(struct avj_text *out, const char *blob, size_t len)
{
    avj_text_puts(out, "[");
    for (size_t at = 0; at < len; at += strlen(blob + at) + 1) {
        if (at)
            avj_text_puts(out, ",");
        avj_text_json_cstr(out, blob + at);
    }
    avj_text_puts(out, "]");
}
