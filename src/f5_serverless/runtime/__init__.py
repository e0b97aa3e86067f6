"""The two layers: what makes a bare container with a shared volume into a worker that can speak.

`setup_environment` is the door: it makes sure that the locked environment is there, whoever builds it, and replaces the
process with that environment's Python. `lease` says who builds and who uses, `build` makes an environment aside,
`archive` packs and unpacks it, `publish` is the only writer of what other workers read, `collect` removes what nobody
uses. All of these run on the container's thin Python: standard library only.
"""
