"""What contrail-api-client knows about the types of objects, as JSON: `python3 -m standin.schema > schema.json`."""

import json
import sys

from vnc_api.gen import resource_common, resource_xsd, vnc_api_client_gen


def _wrapper(cls: type, field: str) -> str | None:
    kind = getattr(resource_xsd, cls.prop_field_types[field]["xsd_type"], None)
    return next(iter(kind.attr_fields), None) if kind and kind.attr_fields else None


def _described(cls: type) -> dict[str, object]:
    wrapped = {**cls.prop_list_field_has_wrappers, **cls.prop_map_field_has_wrappers}
    return {
        "parents": cls.parent_types,
        "props": sorted(cls.prop_fields),
        "refs": {field: kind[0] for field, kind in cls.ref_field_types.items()},
        "children": {field: kind[0] for field, kind in cls.children_field_types.items()},
        "back_refs": {field: kind[0] for field, kind in cls.backref_field_types.items()},
        "keys": cls.prop_map_field_key_names,
        "wrappers": {field: _wrapper(cls, field) for field, wraps in wrapped.items() if wraps},
    }


def main() -> None:
    classes = {cls.resource_type: cls for cls in vars(resource_common).values() if hasattr(cls, "resource_type")}
    known = sorted(set(vnc_api_client_gen.all_resource_types) & set(classes))
    json.dump({kind: _described(classes[kind]) for kind in known}, sys.stdout)


if __name__ == "__main__":
    main()
