"""The cffi modules that build_ffi.py emits from the declarations."""
