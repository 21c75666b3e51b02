/* Parameters of requests, and ids. */
#include "net/serve_state.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

const char *avj_arg(const struct avj_call *call, const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < call->request->arg_count; i++) {
        const char *arg = call->request->args[i];
        if (strncmp(arg, name, len) == 0 && arg[len] == '=')
            return arg + len + 1;
    }
    return NULL;
}

const char *avj_body_text(const struct avj_call *call, const char *name)
{
    return json_string_value(json_object_get(call->body, name));
}

bool avj_valid_id(const char *id)
{
    if (!id || !isalnum((unsigned char)id[0]))
        return false;
    size_t len = 1;
    for (; id[len]; len++)
        if (!isalnum((unsigned char)id[len]) && !strchr("._-", id[len]))
            return false;
    return len <= 36;
}

void avj_answer_bad_id(struct avj_call *call, const char *param)
{
    avj_answer_error(call, 400, "general_argument_invalid",
                     "Invalid `%s` param: Parameter must contain at most 36 chars. Valid chars are "
                     "a-z, A-Z, 0-9, period, hyphen, and "
                     "underscore. Can't start with a special char",
                     param);
}

bool avj_random_hex(struct avj_serve *serve, char *out, size_t digits)
{
    uint8_t bytes[64];
    if (digits > 2 * sizeof(bytes) || !serve->sink.random(serve->sink.arg, bytes, (digits + 1) / 2))
        return false;
    for (size_t i = 0; i < digits; i++)
        out[i] = "0123456789abcdef"[(i % 2 ? bytes[i / 2] : bytes[i / 2] >> 4) & 15];
    out[digits] = '\0';
    return true;
}

bool avj_unique_id(struct avj_serve *serve, char out[AVJ_SERVE_ID_TEXT])
{
    char random[8];
    if (!avj_random_hex(serve, random, 7))
        return false;
    int64_t now = serve->now_ms;
    (void)snprintf(out, AVJ_SERVE_ID_TEXT, "%08x%05x%s", (unsigned)(now / 1000),
                   (unsigned)(now % 1000), random);
    return true;
}
