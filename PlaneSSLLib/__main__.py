from PlaneSSLLib.cli import main

raise SystemExit(main())
