/* The server's collections (serve_schema.h). */
#include "net/serve_schema.h"

#include <stdio.h>
#include <string.h>

#define SIZE_DEFAULT 1000000
/* Ids are longer than a row's $id: "<uuid>_branch_<ms>_<rand>". */
#define SIZE_ID 255

/* Sizes and demands that the field table does not know.  Source: the attributes of AVChat's
 * deployments. */
static const struct {
    const char *name;
    size_t size;
    bool required;
} facts[] = {
    {"userId", 100, true},      {"title", 255, false}, {"name", 255, false},
    {"content", 1000000, true}, {"role", 20, true},
};

static enum avj_attr_type attr_type(const struct avj_field *field)
{
    if (field->form == AVJ_R_JSON_TEXT || field->form == AVJ_R_JSON_OR_TEXTS)
        return AVJ_A_TEXT;
    switch (field->type) {
    case AVJ_F_BOOL:
        return AVJ_A_BOOL;
    case AVJ_F_INT:
        return AVJ_A_INT;
    case AVJ_F_TIME:
        return AVJ_A_TIME;
    case AVJ_F_TEXTS:
        return AVJ_A_TEXTS;
    case AVJ_F_TEXT:
    case AVJ_F_JSON:
        break;
    }
    return AVJ_A_TEXT;
}

/* An attribute; with name NULL the collection itself. */
static bool is_missing(const struct avj_deployment *deployment, const char *collection,
                       const char *name)
{
    if (!deployment || !deployment->missing)
        return false;
    char path[256];
    (void)snprintf(path, sizeof(path), "%s%s%s", collection, name ? "." : "", name ? name : "");
    for (const char *const *missing = deployment->missing; *missing; missing++)
        if (strcmp(*missing, path) == 0)
            return true;
    return false;
}

static void add(struct avj_collection_schema *out, const struct avj_deployment *deployment,
                struct avj_attr attr)
{
    for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++)
        if (strcmp(facts[i].name, attr.name) == 0) {
            attr.size = facts[i].size;
            attr.required = attr.required || facts[i].required;
        }
    if (out->count < AVJ_ATTRS_MAX && avj_attr_index(out, attr.name) < 0 &&
        !is_missing(deployment, out->id, attr.name))
        out->attrs[out->count++] = attr;
}

static void add_field(struct avj_collection_schema *out, const struct avj_deployment *deployment,
                      const struct avj_field *field)
{
    bool own_id = field->flags & AVJ_FF_ID, of_thread = field->flags & AVJ_FF_THREAD;
    struct avj_attr attr = {
        /* A field that lives in a system field where there is no attribute for it: here there is
           one. */
        .name = field->remote[0] == '$' ? field->name : field->remote,
        .type = attr_type(field),
        .size = own_id || of_thread ? SIZE_ID : SIZE_DEFAULT,
        .required = own_id || of_thread,
    };
    add(out, deployment, attr);
}

static void init_collection(struct avj_collection_schema *out, enum avj_entity entity,
                            const struct avj_deployment *deployment)
{
    const struct avj_entity_schema *schema = avj_schema(entity);
    memset(out, 0, sizeof(*out));
    out->id = schema->collection;
    out->number = (unsigned)entity + 1;
    out->absent = is_missing(deployment, out->id, NULL);
    out->users_may = deployment && deployment->users_may ? deployment->users_may : AVJ_USERS_CREATE;
    size_t i = 0;
    for (; i < schema->count && schema->fields[i].flags & (AVJ_FF_ID | AVJ_FF_THREAD); i++)
        add_field(out, deployment, &schema->fields[i]);
    add(out, deployment, (struct avj_attr){.name = "userId", .type = AVJ_A_TEXT});
    for (; i < schema->count; i++)
        add_field(out, deployment, &schema->fields[i]);
}

void avj_serve_schema_init(struct avj_serve_schema *schema, const struct avj_deployment *deployment)
{
    for (unsigned i = 0; i < AVJ_ENTITIES; i++)
        init_collection(&schema->collections[i], (enum avj_entity)i, deployment);
}

const struct avj_collection_schema *avj_serve_schema_find(const struct avj_serve_schema *schema,
                                                          const char *id)
{
    for (unsigned i = 0; i < AVJ_ENTITIES; i++)
        if (strcmp(schema->collections[i].id, id) == 0 && !schema->collections[i].absent)
            return &schema->collections[i];
    return NULL;
}

int avj_attr_index(const struct avj_collection_schema *schema, const char *name)
{
    for (size_t i = 0; i < schema->count; i++)
        if (strcmp(schema->attrs[i].name, name) == 0)
            return (int)i;
    return -1;
}
