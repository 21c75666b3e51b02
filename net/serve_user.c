/* Accounts: their journal form, their JSON, and passwords by crypt(3). */
#include "net/serve_state.h"

#include <crypt.h>
#include <stdlib.h>
#include <string.h>

/* What is computed for an e-mail that nobody has, so that the time of the answer does not tell. */
#define NOBODY_HASH "$y$j9T$Yw5cCt9bM1p0Xb2YqJ6vH1$"

char *avj_crypt(const char *text, const char *setting)
{
    struct crypt_data *data = calloc(1, sizeof(*data));
    if (!data)
        return NULL;
    char *hash = crypt_r(text, setting, data);
    char *copy = hash && hash[0] != '*' ? strdup(hash) : NULL;
    explicit_bzero(data, sizeof(*data));
    free(data);
    return copy;
}

bool avj_password_hash(struct avj_serve *serve, const char *password, char **out)
{
    char salt[32], setting[CRYPT_GENSALT_OUTPUT_SIZE];
    if (!serve->sink.random(serve->sink.arg, salt, sizeof(salt)) ||
        !crypt_gensalt_rn("$y$", 0, salt, sizeof(salt), setting, sizeof(setting)))
        return false;
    *out = avj_crypt(password, setting);
    return *out != NULL;
}

bool avj_password_check(const struct avj_server_user *user, const char *password)
{
    const char *expected = user && user->hash[0] ? user->hash : NOBODY_HASH;
    char *hash = avj_crypt(password, expected);
    bool same = hash && user && strcmp(hash, expected) == 0;
    free(hash);
    return same;
}

void avj_user_free(struct avj_server_user *user)
{
    if (!user)
        return;
    free(user->id);
    free(user->email);
    free(user->name);
    free(user->prefs);
    free(user->hash);
    free(user->target);
    free(user);
}

bool avj_user_put(struct avj_serve *serve, struct avj_server_user *user)
{
    if (!avj_map_reserve(&serve->users, 1) || !avj_map_reserve(&serve->emails, 1)) {
        avj_user_free(user);
        return false;
    }
    struct avj_server_user *old = avj_map_take(&serve->users, user->id);
    if (old && old->email[0])
        (void)avj_map_take(&serve->emails, old->email);
    avj_user_free(old);
    (void)avj_map_put(&serve->users, user->id, user, NULL);
    if (user->email[0])
        (void)avj_map_put(&serve->emails, user->email, user, NULL);
    return true;
}

enum avj_status avj_user_store(struct avj_serve *serve, const struct avj_server_user *user)
{
    const struct {
        const char *key, *text;
    } texts[] = {{"email", user->email},
                 {"name", user->name},
                 {"prefs", user->prefs},
                 {"hash", user->hash},
                 {"target", user->target}};
    struct avj_pack pack = {0};
    avj_pack_map(&pack, 8);
    for (size_t i = 0; i < 5; i++) {
        avj_pack_cstr(&pack, texts[i].key);
        avj_pack_cstr(&pack, texts[i].text);
    }
    avj_pack_cstr(&pack, "created");
    avj_pack_int(&pack, user->created_ms);
    avj_pack_cstr(&pack, "updated");
    avj_pack_int(&pack, user->updated_ms);
    avj_pack_cstr(&pack, "password");
    avj_pack_int(&pack, user->password_ms);
    enum avj_status status = avj_state_write(serve, "user", user->id, &pack);
    avj_pack_release(&pack);
    return status;
}

struct avj_server_user *avj_user_unpack(const char *id, struct avj_value value)
{
    struct avj_server_user *user = calloc(1, sizeof(*user));
    if (!user)
        return NULL;
    user->id = strdup(id);
    user->email = avj_unpack_text(value, "email");
    user->name = avj_unpack_text(value, "name");
    user->prefs = avj_unpack_text(value, "prefs");
    user->hash = avj_unpack_text(value, "hash");
    user->target = avj_unpack_text(value, "target");
    user->created_ms = avj_value_get_int(value, "created", 0);
    user->updated_ms = avj_value_get_int(value, "updated", 0);
    user->password_ms = avj_value_get_int(value, "password", 0);
    if (!user->id || !user->email || !user->name || !user->prefs || !user->hash || !user->target) {
        avj_user_free(user);
        return NULL;
    }
    return user;
}

static void targets_json(const struct avj_server_user *user, struct avj_text *out)
{
    avj_text_printf(out, "[{\"$id\":\"%s\",\"$createdAt\":", user->target);
    avj_text_json_time(out, user->created_ms);
    avj_text_puts(out, ",\"$updatedAt\":");
    avj_text_json_time(out, user->created_ms);
    avj_text_puts(out, ",\"name\":\"\",\"userId\":");
    avj_text_json_cstr(out, user->id);
    avj_text_puts(out, ",\"providerId\":null,\"providerType\":\"email\",\"identifier\":");
    avj_text_json_cstr(out, user->email);
    avj_text_puts(out, ",\"expired\":false}]");
}

void avj_user_json(const struct avj_server_user *user, struct avj_text *out)
{
    avj_text_puts(out, "{\"$id\":");
    avj_text_json_cstr(out, user->id);
    avj_text_puts(out, ",\"$createdAt\":");
    avj_text_json_time(out, user->created_ms);
    avj_text_puts(out, ",\"$updatedAt\":");
    avj_text_json_time(out, user->updated_ms);
    avj_text_puts(out, ",\"name\":");
    avj_text_json_cstr(out, user->name);
    avj_text_puts(out, ",\"registration\":");
    avj_text_json_time(out, user->created_ms);
    avj_text_puts(out, ",\"status\":true,\"labels\":[],\"passwordUpdate\":");
    if (user->hash[0])
        avj_text_json_time(out, user->password_ms);
    else
        avj_text_puts(out, "\"\"");
    avj_text_puts(out, ",\"email\":");
    avj_text_json_cstr(out, user->email);
    avj_text_puts(out, ",\"phone\":\"\",\"emailVerification\":false,\"phoneVerification\":false,"
                       "\"mfa\":false,\"prefs\":");
    avj_text_puts(out, user->prefs[0] ? user->prefs : "{}");
    avj_text_puts(out, ",\"targets\":");
    if (user->email[0])
        targets_json(user, out);
    else
        avj_text_puts(out, "[]");
    avj_text_puts(out, ",\"accessedAt\":");
    avj_text_json_time(out, user->created_ms);
    avj_text_puts(out, "}");
}

bool avj_serve_user_json(struct avj_serve *serve, const char *user, struct avj_text *out)
{
    const struct avj_server_user *found = avj_map_get(&serve->users, user);
    if (found)
        avj_user_json(found, out);
    return found && !out->failed;
}
