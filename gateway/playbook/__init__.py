"""How far an installation is with the playbook: each point measured, or said to be none that can be measured."""
