/* Growable text: see text.h. */
#include "net/text.h"
#include "replay/clock.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool reserve(struct avj_text *text, size_t more)
{
    if (text->failed || more > SIZE_MAX / 4 - text->len) {
        text->failed = true;
        return false;
    }
    size_t need = text->len + more + 1;
    if (need <= text->cap)
        return true;
    size_t cap = text->cap ? text->cap : 128;
    while (cap < need)
        cap *= 2;
    char *data = realloc(text->data, cap);
    if (!data) {
        text->failed = true;
        return false;
    }
    text->data = data;
    text->cap = cap;
    return true;
}

void avj_text_add(struct avj_text *text, const char *data, size_t len)
{
    if (!reserve(text, len))
        return;
    if (len)
        memcpy(text->data + text->len, data, len);
    text->len += len;
    text->data[text->len] = '\0';
}

void avj_text_puts(struct avj_text *text, const char *string)
{
    avj_text_add(text, string, strlen(string));
}

void avj_text_printf(struct avj_text *text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (len < 0 || !reserve(text, (size_t)len)) {
        text->failed = true;
        return;
    }
    va_start(args, format);
    vsnprintf(text->data + text->len, (size_t)len + 1, format, args);
    va_end(args);
    text->len += (size_t)len;
}

static bool unreserved(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("-._~", c));
}

void avj_text_escape(struct avj_text *text, const char *data, size_t len)
{
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)data[i];
        char code[3] = {'%', hex[c >> 4], hex[c & 15]};
        if (unreserved(c))
            avj_text_add(text, &data[i], 1);
        else
            avj_text_add(text, code, 3);
    }
}

char *avj_text_take(struct avj_text *text)
{
    avj_text_add(text, "", 0);
    char *data = text->failed ? NULL : text->data;
    if (text->failed)
        free(text->data);
    *text = (struct avj_text){0};
    return data;
}

void avj_text_release(struct avj_text *text)
{
    free(text->data);
    *text = (struct avj_text){0};
}

void avj_text_reset(struct avj_text *text)
{
    text->len = 0;
    text->failed = false;
    if (text->data)
        text->data[0] = '\0';
}

static void json_escape(struct avj_text *text, unsigned char c)
{
    switch (c) {
    case '"':
        avj_text_add(text, "\\\"", 2);
        break;
    case '\\':
        avj_text_add(text, "\\\\", 2);
        break;
    case '\n':
        avj_text_add(text, "\\n", 2);
        break;
    case '\r':
        avj_text_add(text, "\\r", 2);
        break;
    case '\t':
        avj_text_add(text, "\\t", 2);
        break;
    default:
        avj_text_printf(text, "\\u%04x", (unsigned)c);
        break;
    }
}

void avj_text_json(struct avj_text *text, const char *data, size_t len)
{
    if (!reserve(text, len + 2))
        return;
    avj_text_add(text, "\"", 1);
    size_t from = 0;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)data[i];
        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        avj_text_add(text, data + from, i - from);
        json_escape(text, c);
        from = i + 1;
    }
    avj_text_add(text, data + from, len - from);
    avj_text_add(text, "\"", 1);
}

void avj_text_json_cstr(struct avj_text *text, const char *data)
{
    avj_text_json(text, data, strlen(data));
}

void avj_text_json_time(struct avj_text *text, int64_t ms)
{
    char time[AVJ_TIME_TEXT];
    avj_time_format(ms, time);
    avj_text_json_cstr(text, time);
}
